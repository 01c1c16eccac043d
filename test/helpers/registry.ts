/** A container registry on a loopback port with one small image, as far as engines ask: they trust such an address without TLS. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Registry extends AsyncDisposable {
  /** Without a tag: `127.0.0.1:45123/some/name`. */
  image: string
  digest: string
  /** How many of the next requests for the manifest are answered as by a registry in trouble. */
  failures: number
  /** `user:password` that is asked for. */
  login: string | undefined
}

export interface RegistryOptions {
  architecture: string
  env?: string[]
}

/** Enough for more than one line of progress. */
const LAYER_BYTES = 3_000_000
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'

export async function startRegistry({ architecture, env = [] }: RegistryOptions): Promise<Registry> {
  const layer = makeLayer()
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config: { Env: env, Cmd: ['/none'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
    }),
  )
  const part = (mediaType: string, content: Buffer) => ({
    mediaType,
    size: content.length,
    digest: digestOf(content),
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: part('application/vnd.docker.container.image.v1+json', config),
      layers: [part('application/vnd.docker.image.rootfs.diff.tar', layer)],
    }),
  )
  const server = createServer(({ url = '', method, headers }, reply) => {
    const given = Buffer.from((headers.authorization ?? '').replace('Basic ', ''), 'base64').toString()
    if (registry.login !== undefined && given !== registry.login) {
      reply.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end()
      return
    }
    const isManifest = url.includes('/manifests/')
    if (isManifest && registry.failures > 0) {
      registry.failures -= 1
      reply.writeHead(503).end()
      return
    }
    const content = isManifest ? manifest : [layer, config].find((blob) => url.endsWith(digestOf(blob)))
    if (url === '/v2/') reply.end('{}')
    else if (!content) reply.writeHead(404).end()
    else {
      const type = isManifest ? MANIFEST : 'application/octet-stream'
      const described = { 'content-type': type, 'docker-content-digest': digestOf(content) }
      reply.writeHead(200, { ...described, 'content-length': content.length })
      reply.end(method === 'HEAD' ? undefined : content)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const registry: Registry = {
    image: `127.0.0.1:${port}/some/name`,
    digest: digestOf(manifest),
    failures: 0,
    login: undefined,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return registry
}

function makeLayer(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'hyper-layer-'))
  try {
    writeFileSync(join(directory, 'content'), randomBytes(LAYER_BYTES))
    return execFileSync('tar', ['--create', '--directory', directory, 'content'], { maxBuffer: 2 * LAYER_BYTES })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}
