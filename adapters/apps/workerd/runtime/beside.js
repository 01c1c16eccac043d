// What the runtime does for an app, in one isolate beside its own, on the same thread.

export { default as cache } from './cache.js'
export { default } from './outbound.js'

export const ping = {
  fetch: () => new Response(null),
}
