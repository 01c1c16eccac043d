/** The way between two of our processes: a pool of connections, and what proves that we may use it. */
import { Pool } from 'undici'
import { KEY_HEADER } from '../own-headers.ts'
import type { Upstream } from '../upstream.ts'

export interface Passage {
  /** For requests with these headers too, names and values in turns. */
  upstream(headers?: readonly string[]): Upstream
  /** @throws Error when it cannot be asked, or refuses */
  ask(path: string, body: object): Promise<unknown>
  /** Lines of text, as they come. Ends by an error when nothing comes for so long. */
  lines(path: string, silenceMs: number): AsyncIterable<string>
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
    async ask(path, body) {
      const answer = await pool.request({ path, method: 'POST', headers: own, body: JSON.stringify(body) })
      const json = (await answer.body.json()) as { error?: string }
      if (answer.statusCode !== 200) throw new Error(json.error ?? `HTTP ${answer.statusCode}`)
      return json
    },
    async *lines(path, silenceMs) {
      const { body, statusCode } = await pool.request({ path, method: 'GET', headers: own, bodyTimeout: silenceMs })
      if (statusCode !== 200) throw new Error(`HTTP ${statusCode}`)
      let rest = ''
      for await (const text of body.setEncoding('utf8')) {
        const all = (rest + text).split('\n')
        rest = all.pop() ?? ''
        yield* all
      }
    },
    close: () => pool.destroy(),
  }
}
