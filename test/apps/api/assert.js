export function ok(value, what = 'it does not hold') {
  if (!value) throw new Error(what)
}

export function equal(actual, expected, what = '') {
  const [is, should] = [actual, expected].map((value) => JSON.stringify(value) ?? String(value))
  if (!Object.is(actual, expected) && is !== should) throw new Error(`${what} ${is} is not ${should}`)
}

/** @param name of the error, such as TypeError */
export function throws(run, name) {
  let thrown
  try {
    run()
  } catch (error) {
    thrown = error
  }
  equal(thrown?.name, name)
}

export async function rejects(promise, pattern) {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  )
  ok(error !== undefined, 'it did not reject')
  if (pattern) ok(pattern.test(String(error)), `${error} is not ${pattern}`)
  return error
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
