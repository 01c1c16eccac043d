/** Bodies of uploads as adapters receive them. */

export async function* parts(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 65_536) yield bytes.subarray(start, start + 65_536)
}

/** A body that stops after `bytes` until it is let go; then it ends, or fails. */
export function held(bytes: Uint8Array) {
  const reached = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const body = async function* () {
    yield* parts(bytes)
    reached.resolve()
    await release.promise
  }
  return { body: body(), reached: reached.promise, end: release.resolve, fail: release.reject }
}
