// For code of NANO's first days, which reads `request.json()` and `request.text()` without awaiting (worker-runtime §12.8).

const MOST_BYTES = 1024 * 1024

/** @returns the request, its body read already where that is at most 1 MB */
export async function withReadBody(request) {
  if (request.body === null) return readable(request, '')
  if (Number(request.headers.get('content-length') ?? 0) > MOST_BYTES) return request
  const reader = request.body.getReader()
  const chunks = []
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    chunks.push(value)
    size += value.byteLength
    if (size > MOST_BYTES) return new Request(request, { body: streamOf(chunks, reader) })
  }
  const body = await new Blob(chunks).arrayBuffer()
  return readable(new Request(request, { body }), new TextDecoder().decode(body))
}

function streamOf(chunks, reader) {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = chunks.length > 0 ? { value: chunks.shift() } : await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

function readable(request, text) {
  return Object.defineProperties(request, {
    text: { value: () => awaitable(text, () => text) },
    json: {
      value() {
        try {
          return awaitable(JSON.parse(text), () => JSON.parse(text))
        } catch (error) {
          // Never thrown at once: chains of `.catch()` must live.
          return Promise.reject(error)
        }
      },
    },
  })
}

/** The value itself, which can be awaited too. What that gives is a copy that cannot: it would be awaited for ever. */
function awaitable(value, copy) {
  if (value === null) return Promise.resolve(null)
  const both = Object(value)
  const promise = new Promise((resolve) => resolve(copy()))
  for (const member of ['then', 'catch', 'finally']) {
    if (!Object.hasOwn(both, member)) Object.defineProperty(both, member, { value: promise[member].bind(promise) })
  }
  return both
}
