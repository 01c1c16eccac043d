/** Projects for the command line on a real Docker engine: images made here, and nothing of theirs left on the engine. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { run, runs } from '../parts/part.ts'
import { productImage } from '../parts/product-image.ts'
import { TestProject } from './cli.ts'

export type StackImages = Record<string, string>

/** Images of every part that can be had here, or why the test cannot run. */
export async function stackImages(): Promise<StackImages | { missing: string }> {
  const gateway = await productImage()
  if ('missing' in gateway) return gateway
  const images: StackImages = { gateway: gateway.name }
  for (const part of ['mongo', 'redis', 'minio', 'meilisearch']) {
    const name = `hyper-sandbox-test/${part}`
    if (await runs('docker', 'image', 'inspect', name)) images[part] = name
    else if (part !== 'meilisearch') return { missing: `there is no image ${name}: npm run parts` }
  }
  return images
}

/** Has tests run on what was found; where something is missing they are one skip with its reason, and in CI a failure. */
export function testsOn<T extends object, Defined>(
  what: string,
  found: T | { missing: string },
  define: (found: T) => Defined,
): Defined | undefined {
  if (!('missing' in found)) return define(found)
  test(what, (t) => {
    assert.ok(!process.env.CI, found.missing)
    t.skip(found.missing)
  })
  return undefined
}

/** A project on the compose engine; disposed of, its containers, networks and volumes must be gone. */
export class ComposeProject extends TestProject {
  constructor(images: StackImages, settings: object = {}, beside?: TestProject) {
    super(beside)
    this.env.HYPER_SANDBOX_ENGINE = 'compose'
    this.write('hyper-sandbox.yaml', stringify({ images, ...settings }))
  }

  /** What Docker has of this project: `container x`, `network y`, `volume z`. */
  async onEngine(...kinds: ('container' | 'network' | 'volume')[]): Promise<string[]> {
    const found = await Promise.all(
      kinds.map(async (kind) => {
        const args = kind === 'container' ? ['ps', '--all'] : [kind, 'ls']
        const format = kind === 'container' ? '{{.Names}}' : '{{.Name}}'
        const filter = `label=io.hyper63.sandbox.directory=${this.directory}`
        const names = await run('docker', [...args, '--filter', filter, '--format', format])
        return names.split('\n').flatMap((name) => (name === '' ? [] : [`${kind} ${name}`]))
      }),
    )
    return found.flat()
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    const ended = await this.run(['down', '--volumes', '--yes'])
    const left = await this.onEngine('container', 'network', 'volume')
    await super[Symbol.asyncDispose]()
    assert.equal(ended.code, 0, ended.stderr)
    assert.deepEqual(left, [])
  }
}
