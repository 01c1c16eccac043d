/**
 * The gateway is this same tool from its own image. It keeps no state and brings its health check with it; what it serves, and on
 * which servers, its environment says.
 */
import type { StackConfig } from '../stack.ts'

/** In the container; the host's is the user's choice. */
export const GATEWAY_TCP_PORT = 6363
export const GATEWAY_HTTPS_TCP_PORT = 6364

/** By which containers of other projects reach what the host publishes. Bare names, such as `gateway`, are always answered. */
const HOST_NAME = 'host.docker.internal'

export const gatewayImages = (version: string): readonly string[] => [
  `ghcr.io/hyper63/hyper-sandbox:${version}`,
  `hyper63/hyper-sandbox:${version}`,
]

/** Its image asks often, for those who wait on the image alone; here nobody does. */
export const GATEWAY_LIMITS = { healthcheck: { interval: '30s' }, mem_limit: '1g', stop_grace_period: '5s' }

/** What apps write goes, and so does what they might gain: nothing in there needs more than to read. */
export const WORKERS_LIMITS = {
  read_only: true,
  tmpfs: ['/tmp'],
  cap_drop: ['ALL'],
  security_opt: ['no-new-privileges:true'],
  healthcheck: { interval: '30s' },
  stop_grace_period: '5s',
}

/** Everything but the addresses of the parts. */
export function gatewayEnvironment({ services, gatewayEnvironment }: StackConfig): Record<string, string> {
  const { HYPER_SANDBOX_ALLOWED_HOSTS: allowed, ...given } = gatewayEnvironment
  return {
    HYPER_SANDBOX_ENGINE: 'embedded',
    HYPER_SANDBOX_HOST: '0.0.0.0',
    HYPER_SANDBOX_PORT: String(GATEWAY_TCP_PORT),
    HYPER_SANDBOX_ONLY: Object.keys(services).join(','),
    HYPER_SANDBOX_ALLOWED_HOSTS: [...(allowed ? [allowed] : []), HOST_NAME].join(','),
    ...given,
  }
}

/** A server on this machine, as containers reach it: to them the loopback address is their own. */
export function seenFromContainer(url: string): string {
  const [, scheme = '', authority = '', rest = ''] = /^([^/]*\/\/)([^/?#]*)(.*)$/s.exec(url) ?? []
  const loopback = /(?<=^|[@,])(?:localhost|127(?:\.\d+){3}|\[::1\])(?=:|,|$)/g
  return `${scheme}${authority.replaceAll(loopback, HOST_NAME)}${rest}`
}
