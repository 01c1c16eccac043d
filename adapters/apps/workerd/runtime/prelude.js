// Runs in workerd before an app's own code: what NANO's apps expect of the globals (worker-runtime §§4.3, 12.8).

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
    return String(value)
  }
}

const digest = crypto.subtle.digest
crypto.subtle.digest = function (algorithm, data) {
  return digest.call(this, algorithm, typeof data === 'string' ? new TextEncoder().encode(data) : data)
}

const { redirect } = Response
Response.redirect = (url, status = 302) => {
  if (URL.canParse(url)) return redirect.call(Response, url, status)
  return new Response(null, { status, headers: { location: String(url) } })
}
