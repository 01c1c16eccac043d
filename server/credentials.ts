/** Asks hyper's API for the tokens that hyper-connect signs with the key and secret of its connection string (hyper-api §9.5). */
import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { HyperError } from './error.ts'
import { isSameSecret } from './same-secret.ts'

export interface Credentials {
  key: string
  secret: string
}

/** A client makes a token per request, but the same one for a second: expiry is all that changes in it. */
const MAX_REMEMBERED = 1_000

/**
 * For the routes of `scope`. The sandbox's own token is as good: whoever has it may empty everything.
 *
 * @param scope a context of the app's own, registered by it
 */
export function requireCredentials(scope: FastifyInstance, credentials: Credentials, sandboxToken: string): void {
  const isValid = createTokenCheck(credentials)

  function isAdmitted(authorization: string | undefined): boolean | Promise<boolean> {
    const [, token] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? []
    return token !== undefined && (isSameSecret(token, sandboxToken) || isValid(token))
  }

  scope.addHook('onRequest', (request, reply, done) => {
    const decide = (admitted: boolean) => {
      if (admitted) return done()
      reply.header('www-authenticate', 'Bearer')
      done(new HyperError('NOT_AUTHORIZED', 'not authorized'))
    }
    const admitted = isAdmitted(request.headers.authorization)
    if (typeof admitted === 'boolean') decide(admitted)
    else void admitted.then(decide, done)
  })
}

/** Tokens found valid are remembered until they expire, by their digest: how long a look-up takes tells nothing of them. */
function createTokenCheck({ key, secret }: Credentials): (token: string) => boolean | Promise<boolean> {
  const subjects = spellings(key)
  const keys = [...spellings(secret)].map((spelling) => new TextEncoder().encode(spelling))
  const validUntil = new Map<string, number>()

  async function verify(token: string, digest: string): Promise<boolean> {
    const { jwtVerify } = await import('jose')
    for (const signingKey of keys) {
      const verified = await jwtVerify(token, signingKey, { algorithms: ['HS256'] }).catch(() => undefined)
      if (verified === undefined) continue
      const { sub, exp } = verified.payload
      if (sub === undefined || exp === undefined || !subjects.has(sub)) return false
      if (validUntil.size >= MAX_REMEMBERED) validUntil.clear()
      validUntil.set(digest, exp * 1_000)
      return true
    }
    return false
  }

  return (token) => {
    const digest = hash('sha256', token, 'base64')
    const expiry = validUntil.get(digest)
    if (expiry !== undefined && Date.now() < expiry) return true
    return verify(token, digest)
  }
}

/** As it is, and as it may stand in a URL: the client takes it from there without decoding it. */
function spellings(text: string): Set<string> {
  const url = new URL('http://localhost')
  url.password = text
  const encoded = encodeURIComponent(text.toWellFormed())
  return new Set([text, url.password, encoded, encoded.replace(/%../g, (octet) => octet.toLowerCase())])
}
