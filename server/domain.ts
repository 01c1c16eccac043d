/** Which instance of a service a path means, in hyper's two URL structures (design §8.4). */
import { HyperError } from './error.ts'
import { isServiceName } from './services.ts'

/** First segments with a meaning of their own. */
const RESERVED_SEGMENTS = new Set(['health', 'healthz', 'readyz', 'metrics', 'admin', 'openapi.json', 'docs'])

/**
 * The domain of `/:app/:service/:name`: the app itself for the name `default`, else `app~name`.
 * @throws ROUTE_NOT_FOUND when the first segment cannot be an app
 */
export function cloudDomain(app: string, name: string): string {
  const segment = app.toLowerCase()
  if (segment === '' || isServiceName(segment) || segment.startsWith('_') || RESERVED_SEGMENTS.has(segment)) {
    throw new HyperError('ROUTE_NOT_FOUND', `'${app}' cannot be an app's name in /:app/:service/:name`)
  }
  return name === 'default' ? app : `${app}~${name}`
}
