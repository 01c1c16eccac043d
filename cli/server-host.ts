import type { ServiceName } from '../server/services.ts'
import type { ServiceConfigs } from './service-config.ts'

/** Where services live whose server exists already, in a form for eyes that need not see a password. */
export function serverHosts(services: ServiceConfigs): { servers?: Partial<Record<ServiceName, string>> } {
  const hosts = Object.entries(services).flatMap(([kind, { url }]) => (url === undefined ? [] : [[kind, hostOf(url)]]))
  return hosts.length === 0 ? {} : { servers: Object.fromEntries(hosts) }
}

/** Of an address, or of several hosts with commas between them. */
function hostOf(url: string): string {
  const [authority = ''] = url.replace(/^[^/]*\/\//, '').split('?')
  return authority.slice(authority.lastIndexOf('@') + 1).split('/')[0] ?? ''
}
