/** `hyper-sandbox/conformance`: the suites that judge an adapter, ours or another's. */
export * from './cache.ts'
export * from './data.ts'
export * from './queue.ts'
export * from './search.ts'
export * from './storage.ts'
