// What an app's own `fetch` goes through: the hyper services by their name, everything else to the network it may use. That
// network judges addresses, after names are resolved; what is decided here is for names alone (worker-runtime §12.4).
import settings from './outbound.json'

const { hosts, mark } = settings

export default {
  async fetch(request, env) {
    const { hostname } = new URL(request.url)
    if (hostname === 'hyper.internal' && env.hyper) return env.hyper.fetch(request)
    if (hosts && !hosts.some((host) => matches(hostname, host))) {
      throw new TypeError(`fetch failed: BlockedHost: ${hostname} is not among the hosts this app may call`)
    }
    try {
      return await fetch(mark ? marked(request) : request)
    } catch (error) {
      const name = isPrivate(hostname) ? 'BlockedHost' : 'ConnectionFailed'
      // What workerd does not wish to tell has but a number.
      const why = /internal error/.test(error.message) ? '' : `: ${error.message}`
      throw new TypeError(`fetch failed: ${name}: ${hostname}${why}`)
    }
  },
}

function matches(hostname, host) {
  return host.startsWith('*.') ? hostname.endsWith(host.slice(1)) : hostname === host
}

/** Where the host itself can be reached, it must see that this is no request of its user's: admin calls are not for apps. */
function marked(request) {
  const copy = new Request(request)
  copy.headers.append('forwarded', 'by=_hyper-sandbox')
  return copy
}

/** Literal addresses come in one form only, as a URL writes them. */
function isPrivate(hostname) {
  if (hostname.startsWith('[')) return /^\[(?:::(?:ffff:|\d*\])|f[cd]|fe[89ab])/.test(hostname)
  if (/^(?:localhost|.*\.localhost|.*\.internal|.*\.local)$/.test(hostname)) return true
  return /^(?:0|10|127|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\.[\d.]+$/.test(
    hostname,
  )
}
