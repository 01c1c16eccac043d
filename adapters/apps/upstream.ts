import type { NetConnectOpts } from 'node:net'
import type { Pool } from 'undici'
import type { RestartReason } from '../../server/ports/apps.ts'
import type { Exchange } from './exchange.ts'

/** Where requests to an app are sent: a process of it, or another host of ours that passes them on. */
export interface Upstream {
  readonly pool: Pool
  /** The same address, for what is not plain HTTP. */
  readonly address: NetConnectOpts
  /** Sent with every request, names and values in turns. */
  readonly headers?: readonly string[]
  readonly exchanges: Set<Exchange>
  /** Told of every answer, as a sign of life. */
  heard?(): void
  /** Why we ended it, as long as we did. */
  readonly killed: RestartReason | undefined
  /** Settles when it can answer nothing more. */
  readonly exited: Promise<unknown>
}
