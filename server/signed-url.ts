/**
 * URLs that let their holder read or write one object for a while (hyper-api §6.4): `/_signed/<expires>/<method>/<signature>/`
 * `<bucket>/<object…>`. Each has exactly one spelling, and only that one is served: what was asked for is taken apart, written
 * anew and compared, so that no change of case, escaping or query passes.
 */
import { createHmac } from 'node:crypto'
import { HyperError } from './error.ts'
import { isSameSecret } from './same-secret.ts'

export const SIGNED_PREFIX = '/_signed/'

export type SignedMethod = 'GET' | 'PUT'

/** Seconds from signing. */
const LIFETIME = { GET: 3600, PUT: 300 } as const

export interface SignedTarget {
  method: SignedMethod
  bucket: string
  object: string
}

export interface Signer {
  /** Path of a URL that is good from now on. */
  sign(target: SignedTarget): string
  /** @throws SIGNATURE_INVALID, SIGNATURE_EXPIRED */
  verify(method: string, requestTarget: string): SignedTarget
}

const PARTS = /^\/_signed\/(\d{1,15})\/(GET|PUT)\/[\w-]{43}\/([^/?#]+)\/([^?#]+)$/

/**
 * @param key 32 secret bytes; gateways that share it accept each other's URLs
 * @param now Unix time in milliseconds
 */
export function createSigner(key: Uint8Array, now: () => number = Date.now): Signer {
  function pathOf({ method, bucket, object }: SignedTarget, expires: number): string {
    const name = [bucket, ...object.split('/')].map(encodeURIComponent).join('/')
    const signature = createHmac('sha256', key).update(`${method}\n${expires}\n${name}`).digest('base64url')
    return `${SIGNED_PREFIX}${expires}/${method}/${signature}/${name}`
  }

  return {
    sign: (target) => pathOf(target, Math.floor(now() / 1000) + LIFETIME[target.method]),

    verify(method, requestTarget) {
      const [, expires = '', signed, bucket = '', object = ''] = PARTS.exec(requestTarget) ?? []
      if (signed !== 'GET' && signed !== 'PUT') throw invalid()
      const target = { method: signed, bucket: decoded(bucket), object: decoded(object) } as const
      if (!isSameSecret(pathOf(target, Number(expires)), requestTarget)) throw invalid()
      if (method !== signed && !(method === 'HEAD' && signed === 'GET')) {
        throw new HyperError('SIGNATURE_INVALID', `this signed URL is good for ${signed}, not for ${method}`)
      }
      if (Number(expires) * 1000 <= now()) throw new HyperError('SIGNATURE_EXPIRED', 'this signed URL has expired')
      return target
    },
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid()
  }
}

function invalid(): HyperError {
  return new HyperError('SIGNATURE_INVALID', 'the signature of this URL is not valid')
}
