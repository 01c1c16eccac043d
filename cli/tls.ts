/** With which certificate a sandbox serves HTTPS. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { domainToASCII } from 'node:url'
import { HyperError } from '../server/error.ts'
import type { Certificate, Identity } from '../server/http-server.ts'
import { authorityIn } from './authority.ts'
import { makeServerCertificate } from './certificate.ts'

const BELOW_LOCALHOST = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+localhost$/
/** Names with a certificate at the ready. */
const MAX_REMEMBERED = 100

export interface TlsConfig {
  /** 0 takes a free one. */
  tcpPort: number
  /** Tried first when `tcpPort` is 0. */
  lastTcpPort?: number | undefined
  /** `auto`: one of this user's own authority; else PEM, or files of it from the project's directory. */
  certificate: 'auto' | { cert: string; key: string }
}

export interface TlsIdentity extends Identity {
  /** PEM file of the authority that clients have to trust, where it is ours. */
  authorityFile?: string
}

/** @throws CONFIG_INVALID */
export async function tlsIdentity(
  tls: TlsConfig,
  places: { host: string; allowedHosts: readonly string[]; projectDirectory: string; authorityDirectory: string },
): Promise<TlsIdentity> {
  if (tls.certificate !== 'auto') return readPair(tls.certificate, places.projectDirectory)
  const authority = await authorityIn(places.authorityDirectory)
  const names = certifiedNames(places.host, places.allowedHosts)
  return {
    ...(await makeServerCertificate(authority, names)),
    authorityFile: authority.file,
    certificateFor: certificatesBelowLocalhost(authority),
  }
}

/** Clients do not take `*.localhost`: a name below it gets a certificate when it is asked for. */
function certificatesBelowLocalhost(authority: Certificate): NonNullable<Identity['certificateFor']> {
  const made = new Map<string, Promise<Certificate>>()
  return (asked) => {
    const name = asked.toLowerCase()
    if (!BELOW_LOCALHOST.test(name)) return undefined
    const known = made.get(name)
    if (known) return known
    if (made.size >= MAX_REMEMBERED) made.clear()
    const certificate = makeServerCertificate(authority, [name])
    made.set(name, certificate)
    return certificate
  }
}

/** Every name under which a client may reach it: this machine's own, and those that are let through (design §11). */
export function certifiedNames(host: string, allowedHosts: readonly string[]): string[] {
  const everywhere = host === '0.0.0.0' || host === '::'
  const addresses = everywhere
    ? Object.values(networkInterfaces()).flatMap((found = []) => found.map(({ address }) => address))
    : [host]
  const names = ['localhost', '*.localhost', '127.0.0.1', '::1', ...addresses, hostname(), ...allowedHosts]
  const spelled = names.map((name) =>
    isIP(name) === 0 ? domainToASCII(name.replace(/^\*/, 'x')).replace(/^x(?=\.)/, '*') : name,
  )
  return [...new Set(spelled)].filter((name) => name !== '')
}

function readPair({ cert, key }: { cert: string; key: string }, projectDirectory: string): Certificate {
  const pair = { cert: readPem('cert', cert, projectDirectory), key: readPem('key', key, projectDirectory) }
  try {
    createSecureContext(pair)
    return pair
  } catch (cause) {
    const broken = isCertificate(pair.cert)
      ? `the key ${key} is none, or not that of ${cert}`
      : `${cert} holds no PEM certificate`
    throw new HyperError('CONFIG_INVALID', `listen.tls cannot be used: ${broken} (${(cause as Error).message})`, {
      hint: 'Name a certificate and its private key without a passphrase, both as PEM, or set listen.tls to auto.',
      cause,
    })
  }
}

function readPem(member: string, file: string, projectDirectory: string): string {
  try {
    return file.startsWith('-----BEGIN ') ? file : readFileSync(resolve(projectDirectory, file), 'utf8')
  } catch (cause) {
    throw new HyperError('CONFIG_INVALID', `listen.tls.${member}: ${file} cannot be read`, {
      hint: `It is looked for from ${projectDirectory}.`,
      cause,
    })
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem) !== undefined
  } catch {
    return false
  }
}
