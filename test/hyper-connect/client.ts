/**
 * The client in a process of its own: what NODE_EXTRA_CA_CERTS names is read once, at the start. Told by its parent which method
 * to prove, it answers with what went wrong, or nothing.
 */
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as client from 'hyper-connect'
import { type Connection, methods } from './methods.ts'

export interface Place {
  build: 'ESM' | 'CommonJS'
  /** Such as `http://key:secret@127.0.0.1:6363`. */
  address: string
  /** The second argument of `connect`. */
  domain?: string
}

export interface Report {
  name: string
  error?: unknown
}

const { build, address, domain } = JSON.parse(process.argv[2] ?? '') as Place
const { connect, createHyperVerify }: typeof client =
  build === 'ESM' ? await import('hyper-connect') : createRequire(import.meta.url)('hyper-connect')

const at = (place: string) => connect(`${place}/t${randomBytes(6).toString('hex')}`, domain)

const connection: Connection = {
  fresh: () => at(address),
  strangers: () => [address.replace('@', 'x@'), address.replace(/\/\/.*@/, '//')].map(at),
  verify: createHyperVerify,
}

process.on('message', async (name: string) => {
  const report: Report = { name }
  try {
    await methods.find((method) => method.name === name)?.run(connection)
  } catch (error) {
    report.error = error
  }
  process.send?.(report)
})
process.once('disconnect', () => process.exit())
