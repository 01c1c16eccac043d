/** Which app a request's `Host` names (worker-runtime §3). */
import { domainToASCII } from 'node:url'

/**
 * A name without TCP port and trailing dot, lower case, IDN as punycode; IPv6 keeps its brackets.
 *
 * @returns undefined for what is no host
 */
export function hostnameOf(host: string): string | undefined {
  const [, name = '', last] = /^(\[[0-9a-f:.]+\]|[^\s:/?#@\\[\]]+?)(\.)?(?::\d*)?$/i.exec(host) ?? []
  if (name === '' || (last !== undefined && name.startsWith('['))) return undefined
  return name.startsWith('[') ? name.toLowerCase() : asciiOf(name)
}

/** The same for `*.example.com`. */
export function hostPatternOf(pattern: string): string | undefined {
  if (!pattern.startsWith('*.')) return hostnameOf(pattern)
  const rest = hostnameOf(pattern.slice(2))
  return rest === undefined || rest.startsWith('[') ? undefined : `*.${rest}`
}

function asciiOf(name: string): string | undefined {
  // What is ASCII already may hold characters that names of hosts do not, such as an underscore.
  if (/^[\w.*~!$&'()+,;=-]+$/.test(name)) return name.toLowerCase()
  return domainToASCII(name) || undefined
}

export interface HostTable {
  find(host: string | undefined): string | undefined
}

/** A browser and its user know a handful of names; an attacker does not fill our memory with others. */
const MAX_REMEMBERED = 1_000

export interface HostedApp {
  name: string
  hostnames: readonly string[]
}

/**
 * Exact names win over patterns, and the longest pattern over shorter ones.
 *
 * @param leaving apps that were removed and still answer: where none that stays has their name or host
 * @param catchAll answers every other host
 */
export function createHostTable(
  staying: readonly HostedApp[],
  leaving: readonly HostedApp[] = [],
  catchAll?: string,
): HostTable {
  const names = new Set(staying.map(({ name }) => name))
  const taken = new Set(staying.flatMap(({ hostnames }) => hostnames))
  const left = leaving
    .filter(({ name }) => !names.has(name))
    .map(({ name, hostnames }) => ({ name, hostnames: hostnames.filter((one) => !taken.has(one)) }))
  const exact = new Map<string, string>()
  const below: [suffix: string, name: string][] = []
  for (const { name, hostnames } of [...staying, ...left]) {
    for (const hostname of hostnames) {
      if (hostname.startsWith('*.')) below.push([hostname.slice(1), name])
      else exact.set(hostname, name)
    }
  }
  below.sort(([a], [b]) => b.length - a.length)

  const found = new Map<string, string | undefined>()
  return {
    find(host) {
      if (host === undefined) return catchAll
      if (found.has(host)) return found.get(host)
      const hostname = hostnameOf(host)
      const name =
        hostname === undefined
          ? undefined
          : (exact.get(hostname) ?? below.find(([suffix]) => hostname.endsWith(suffix))?.[1] ?? catchAll)
      if (found.size >= MAX_REMEMBERED) found.clear()
      found.set(host, name)
      return name
    },
  }
}
