/** `hyper-sandbox/ports`: what an adapter from outside is written against, and the guard it will run behind. */
export * from '../error.ts'
export * from '../json-text.ts'
export { type Guarded, guard } from '../port.ts'
export * from './cache.ts'
export * from './common.ts'
export * from './data.ts'
