// What `caches` keeps: in memory, of one process and until it ends, as little is promised of a cache anywhere. workerd asks by
// HTTP: GET for a match, PUT with a whole response as the body, PURGE.

const MOST_BYTES = 16 * 1024 * 1024
const DEFAULT_SECONDS = 7_200

/** The longest unused first. */
const entries = new Map()
let size = 0

export default {
  async fetch(request) {
    const key = `${request.headers.get('cf-cache-namespace') ?? ''} ${request.url}`
    if (request.method === 'PUT') return await keep(key, new Uint8Array(await request.arrayBuffer()))
    const entry = entries.get(key)
    if (request.method === 'PURGE') return new Response(null, { status: remove(key) ? 200 : 404 })
    if (!entry || entry.expiresAt <= Date.now()) {
      remove(key)
      return new Response(null, { status: 504, headers: { 'cf-cache-status': 'MISS' } })
    }
    entries.delete(key)
    entries.set(key, entry)
    const { status, headers, body } = entry
    return new Response(body, { status, headers: [...headers, ['cf-cache-status', 'HIT']], encodeBody: 'manual' })
  },
}

function keep(key, message) {
  const entry = parsed(message)
  const seconds = freshness(entry.headers)
  remove(key)
  if (seconds > 0 && message.length <= MOST_BYTES) {
    entries.set(key, { ...entry, size: message.length, expiresAt: Date.now() + seconds * 1000 })
    size += message.length
    for (const oldest of entries.keys()) {
      if (size <= MOST_BYTES) break
      remove(oldest)
    }
  }
  return new Response(null, { status: 204 })
}

function remove(key) {
  size -= entries.get(key)?.size ?? 0
  return entries.delete(key)
}

function parsed(message) {
  const end = endOfHead(message)
  const [first, ...lines] = new TextDecoder('latin1').decode(message.subarray(0, end)).split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return {
    status: Number(first.split(' ')[1]),
    // In chunks or not, the body that follows is as it is.
    headers: headers.filter(([name]) => name !== 'transfer-encoding' && name !== 'content-length'),
    body: message.subarray(end + 4),
  }
}

function endOfHead(message) {
  for (let at = message.indexOf(13); at !== -1; at = message.indexOf(13, at + 1)) {
    if (message[at + 2] === 13) return at
  }
  return message.length
}

/** @returns for how many seconds it may be kept */
function freshness(headers) {
  const { 'cache-control': control = '', expires, 'set-cookie': cookie } = Object.fromEntries(headers)
  if (cookie !== undefined || /\b(?:no-store|no-cache|private)\b/.test(control)) return 0
  const seconds = /\bs-maxage=(\d+)/.exec(control)?.[1] ?? /\bmax-age=(\d+)/.exec(control)?.[1]
  if (seconds !== undefined) return Number(seconds)
  return expires === undefined ? DEFAULT_SECONDS : (Date.parse(expires) - Date.now()) / 1000 || 0
}
