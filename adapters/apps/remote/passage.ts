/** The way between two of our processes: a pool of connections, and what proves that we may use it. */
import { Pool } from 'undici'
import { KEY_HEADER } from '../own-headers.ts'
import type { Upstream } from '../upstream.ts'

export interface Passage {
  /** For requests with these headers too, names and values in turns. */
  upstream(headers?: readonly string[]): Upstream
  /** What comes of it, each a line of JSON. @throws Error when it cannot be asked, refuses, or nothing comes for `silenceMs` */
  ask(path: string, options?: { body?: object; silenceMs?: number }): AsyncIterable<unknown>
  close(): Promise<void>
}

const CONNECTIONS = 1_000
/** Shorter than the other end's, which then never closes one that is about to be used. */
const KEEP_ALIVE_MS = 60_000

/** @param url such as `http://workers:6366` */
export function createPassage(url: string, key: string): Passage {
  const { hostname, port } = new URL(url)
  const pool = new Pool(url, {
    connections: CONNECTIONS,
    pipelining: 1,
    // Who is asked keeps the time.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  })
  const never = new Promise<never>(() => {})
  const own = [KEY_HEADER, key]
  return {
    upstream: (headers = []) => ({
      pool,
      address: { host: hostname, port: Number(port) },
      headers: [...own, ...headers],
      exchanges: new Set(),
      killed: undefined,
      exited: never,
    }),
    async *ask(path, { body, silenceMs = 0 } = {}) {
      const answer = await pool.request({
        path,
        method: 'POST',
        headers: own,
        bodyTimeout: silenceMs,
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
      if (answer.statusCode !== 200) throw new Error((await answer.body.text()) || `HTTP ${answer.statusCode}`)
      let rest = ''
      for await (const text of answer.body.setEncoding('utf8')) {
        const all = (rest + text).split('\n')
        rest = all.pop() ?? ''
        for (const line of all) yield JSON.parse(line) as unknown
      }
    },
    close: () => pool.destroy(),
  }
}
