/** Makes certificates: a user's own authority, and what it says of a server. All keys are P-256, which every client takes. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname, userInfo } from 'node:os'
import type { Certificate } from '../server/http-server.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 60 * 60 * 1000
/** Browsers refuse servers' certificates that are valid for longer than 398 days. */
const SERVER_DAYS = 397
const AUTHORITY_DAYS = 10 * 365
const CN_LENGTH = 64

/** @param key an authority's earlier key: whoever trusts that one goes on doing so */
export async function makeAuthority(key?: string): Promise<Certificate> {
  const x509 = await library()
  const pair = keyPair(key)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // Told apart by people in a browser's or a system's list.
    name: [{ O: ['hyper-sandbox'] }, { CN: [`hyper-sandbox of ${userName()} on ${hostname()}`.slice(0, CN_LENGTH)] }],
    ...validFor(AUTHORITY_DAYS),
    keys: pair,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: pair.pem }
}

/** @param names host names, `*.` ones too, and IP addresses */
export async function makeServerCertificate(authority: Certificate, names: readonly string[]): Promise<Certificate> {
  const x509 = await library()
  const issuer = new x509.X509Certificate(authority.cert)
  const pair = keyPair()
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ O: ['hyper-sandbox'] }, { CN: ['localhost'] }],
    issuer: issuer.subject,
    ...validFor(SERVER_DAYS),
    publicKey: pair.publicKey,
    signingKey: keyPair(authority.key).privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  })
  return { cert: `${certificate.toString('pem')}\n`, key: pair.pem }
}

/** Takes a moment to load, so only with TLS. */
async function library() {
  await import('reflect-metadata') // the library's container asks for it
  const { default: x509 } = await import('@peculiar/x509')
  return x509
}

function keyPair(pem?: string) {
  const key = pem === undefined ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : createPrivateKey(pem)
  return {
    pem: String(key.export({ type: 'pkcs8', format: 'pem' })),
    privateKey: key.toCryptoKey(ALGORITHM, false, ['sign']),
    publicKey: createPublicKey(key).toCryptoKey(ALGORITHM, true, ['verify']),
  }
}

/** From a day ago: clocks of containers and phones are not always ours. */
function validFor(days: number) {
  const now = Date.now()
  return { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + (days - 1) * DAY_MS) }
}

/** A container's user may have no name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'this user'
  }
}
