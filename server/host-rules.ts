/**
 * Who may talk to a server on the loopback: guards against DNS rebinding (`Host`) and foreign web pages (`Origin`),
 * design §11. Bare names and IP literals pass as hosts: no public DNS name is one.
 */
import { isIP } from 'node:net'

export interface HostRules {
  allowsHost(host: string | undefined): boolean
  allowsOrigin(origin: string, host: string | undefined): boolean
}

/** Verdicts are remembered for this many different headers; a local gateway sees a handful. */
const MAX_REMEMBERED = 500

/**
 * @param allowedHosts names, or `*.example.com` for all below
 * @param allowedOrigins such as `https://app.example.com`
 */
export function createHostRules(allowedHosts: readonly string[], allowedOrigins: readonly string[]): HostRules {
  const hosts = allowedHosts.map((host) => host.toLowerCase())
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))

  function isAllowedName(name: string): boolean {
    return hosts.some((host) => (host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host))
  }

  const allowsHost = remembered((host) => {
    const name = hostName(host)
    return name !== undefined && (isIP(name) !== 0 || !name.includes('.') || isLocalhost(name) || isAllowedName(name))
  })

  const allowsForeignOrigin = remembered((origin) => {
    if (origins.has(origin.toLowerCase())) return true
    const name = URL.canParse(origin) ? hostName(new URL(origin).host) : undefined
    return name !== undefined && (isLoopback(name) || isLocalhost(name) || isAllowedName(name))
  })

  return {
    allowsHost: (host) => host === undefined || allowsHost(host),
    allowsOrigin: (origin, host) => allowsForeignOrigin(origin) || origin.replace(/^https?:\/\//, '') === host,
  }
}

/** The name in a Host header, lowercased, without TCP port, brackets and trailing dot; undefined when malformed. */
function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:/@[\]]+?))\.?(?::\d+)?$/i.exec(host)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function isLoopback(name: string): boolean {
  return name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

function remembered(decide: (text: string) => boolean): (text: string) => boolean {
  const verdicts = new Map<string, boolean>()
  return (text) => {
    let verdict = verdicts.get(text)
    if (verdict === undefined) {
      verdict = decide(text)
      if (verdicts.size >= MAX_REMEMBERED) verdicts.clear()
      verdicts.set(text, verdict)
    }
    return verdict
  }
}
