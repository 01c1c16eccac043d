/** The certificate a stack has already: another one would mean another gateway at each start. */
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Certificate } from '../../server/http-server.ts'

/** So long before it ends, a new one is made. */
const RENEW_BEFORE_MS = 30 * 24 * 60 * 60 * 1000

/** Whether this authority made it, for all these names, and it lasts. */
export function mayStay({ cert }: Certificate, authority: Certificate, wanted: readonly string[]): boolean {
  try {
    const certificate = new X509Certificate(cert)
    const names = new Set(certificate.subjectAltName?.split(', '))
    // The check of host names takes no wildcard right below a top-level name.
    const isFor = (name: string) =>
      isIP(name) === 0 ? names.has(`DNS:${name}`) : certificate.checkIP(name) !== undefined
    return (
      certificate.verify(new X509Certificate(authority.cert).publicKey) &&
      Date.parse(certificate.validTo) > Date.now() + RENEW_BEFORE_MS &&
      wanted.every(isFor)
    )
  } catch {
    return false
  }
}
