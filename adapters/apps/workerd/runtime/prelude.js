// Runs in workerd before an app's own code: what NANO's apps expect of the globals (worker-runtime §§4.3, 12.8). Prototypes and
// statics are patched; a class in another's place would not be that of `clone()` and of fetched responses.

globalThis.__callIfCallable = (object, member) => {
  const value = object[member]
  return typeof value === 'function' ? value.call(object) : value
}

globalThis.__setDefault = (handlers) => {
  globalThis.__default = handlers
}

// One line of text for each call: objects as JSON, and no `%` is a placeholder.
for (const level of ['debug', 'error', 'info', 'log', 'warn']) {
  const write = console[level].bind(console)
  console[level] = (...values) => write('%s', values.map(textOf).join(' '))
}

function textOf(value) {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.stack ?? String(value)
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

// Of these workerd itself says nothing.
addEventListener('unhandledrejection', ({ reason }) => console.error('Unhandled rejection:', reason))
/** As it was: the runtime's own callbacks throw nothing. */
export const { setTimeout } = globalThis
for (const name of ['setInterval', 'setTimeout']) {
  const native = globalThis[name]
  globalThis[name] = (run, delay, ...args) => native(typeof run === 'function' ? told(run) : run, delay, ...args)
}

function told(run) {
  return (...args) => {
    try {
      return run(...args)
    } catch (error) {
      console.error('Uncaught', error)
      throw error
    }
  }
}

const encoder = new TextEncoder()
const bytesOf = (data) => (typeof data === 'string' ? encoder.encode(data) : data)

const { digest } = crypto.subtle
crypto.subtle.digest = function (algorithm, data) {
  return digest.call(this, algorithm, bytesOf(data))
}

for (const operation of ['sign', 'verify']) {
  const native = crypto.subtle[operation]
  crypto.subtle[operation] = async function (algorithm, key, ...data) {
    return native.call(this, algorithm, await keyOf(algorithm, key, operation), ...data.map(bytesOf))
  }
}

/** NANO takes the bytes of an HMAC key, or `{ raw }`, where the standard has a CryptoKey. */
function keyOf(algorithm, key, operation) {
  const raw = typeof key === 'string' ? key : key?.raw
  if (raw === undefined) return key
  const hash = algorithm?.hash ?? 'SHA-256'
  return crypto.subtle.importKey('raw', bytesOf(raw), { name: 'HMAC', hash }, false, [operation])
}

const { redirect } = Response
Response.redirect = (url, status = 302) => {
  if (URL.canParse(url)) return redirect.call(Response, url, status)
  return new Response(null, { status, headers: { location: String(url) } })
}

// Where a stream's chunks are text, or anything else that NANO joins, the standard refuses to read it.
for (const read of ['arrayBuffer', 'blob', 'bytes', 'json', 'text']) {
  const native = Response.prototype[read]
  Response.prototype[read] = function () {
    const { body } = this
    if (body === null || this.bodyUsed || body.locked || isOfBytes(body)) return native.call(this)
    return native.call(new Response(body.pipeThrough(encoding()), { headers: this.headers }))
  }
}

/** Those that code made of values cannot be read into a buffer. */
function isOfBytes(stream) {
  try {
    stream.getReader({ mode: 'byob' }).releaseLock()
    return true
  } catch {
    return false
  }
}

function encoding() {
  return new TransformStream({
    transform(chunk, controller) {
      const isBinary = chunk instanceof ArrayBuffer || ArrayBuffer.isView(chunk)
      controller.enqueue(isBinary ? chunk : encoder.encode(String(chunk)))
    },
  })
}

const REASONS = {
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}
const statusText = Object.getOwnPropertyDescriptor(Response.prototype, 'statusText')
Object.defineProperty(Response.prototype, 'statusText', {
  ...statusText,
  get() {
    return statusText.get.call(this) || (REASONS[this.status] ?? '')
  },
})
