/** The certificate authority of this user, made once: what trusts it trusts every sandbox's HTTPS, today's and tomorrow's. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../compose/whole-file.ts'
import { HyperError } from '../server/error.ts'
import type { Certificate } from '../server/http-server.ts'
import { makeAuthority } from './certificate.ts'
import { acquireLock } from './lock.ts'
import { until } from './running.ts'

/** Longer than a certificate that it signs is valid. */
const RENEW_BEFORE_MS = 2 * 365 * 24 * 60 * 60 * 1000
const WAIT_MS = 10_000

export interface Authority extends Certificate {
  /** Its certificate as a file, for `NODE_EXTRA_CA_CERTS`. */
  file: string
}

/** @throws CONFIG_INVALID when there is none and none can be kept */
export async function authorityIn(directory: string): Promise<Authority> {
  const file = join(directory, 'authority.pem')
  const keyFile = join(directory, 'authority-key.pem')
  const kept = read(file, keyFile)
  if (kept && lastsLonger(kept)) return { ...kept, file }
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // Of two starts at once, the second finds what the first made.
    using _ = await until(
      () => acquireLock(join(directory, 'authority.lock')),
      WAIT_MS,
      () => new HyperError('NOT_READY', `another start keeps the certificate authority in ${directory} busy`),
    )
    const found = read(file, keyFile)
    if (found && lastsLonger(found)) return { ...found, file }
    const made = await makeAuthority(found?.key)
    writeWhole(keyFile, made.key, 0o600)
    writeWhole(file, made.cert)
    return { ...made, file }
  } catch (cause) {
    if (cause instanceof HyperError && cause.code === 'NOT_READY') throw cause
    throw new HyperError('CONFIG_INVALID', `no certificate authority can be kept in ${directory}`, {
      hint: 'Make it writable, set HYPER_SANDBOX_HOME to a directory that is, or name a certificate: listen.tls: { cert, key }.',
      cause,
    })
  }
}

/** Nothing where a file is missing or damaged, or the two are no pair. */
function read(file: string, keyFile: string): Certificate | undefined {
  try {
    const [cert, key] = [readFileSync(file, 'utf8'), readFileSync(keyFile, 'utf8')]
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)) ? { cert, key } : undefined
  } catch {
    return undefined
  }
}

function lastsLonger({ cert }: Certificate): boolean {
  return new X509Certificate(cert).validToDate.getTime() - Date.now() > RENEW_BEFORE_MS
}
