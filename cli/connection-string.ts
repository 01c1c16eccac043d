/** How hyper-connect is told where services are (hyper-api §9.1). */
import type { Credentials } from '../server/credentials.ts'

/** @param url of the gateway, without a path */
export function connectionString(url: string, domain: string, credentials?: Credentials): string {
  if (!credentials) return `${url}/${domain}`
  const [key, secret] = [credentials.key, credentials.secret].map(encodeURIComponent)
  return `${url.replace('://', `://${key}:${secret}@`)}/${domain}`
}

/** In hyper's cloud form, which always speaks TLS: the domain is the app, whose default services are used. */
export function cloudConnectionString(secureUrl: string, domain: string, credentials?: Credentials): string {
  return connectionString(secureUrl, domain, credentials).replace(/^https:/, 'cloud:')
}
