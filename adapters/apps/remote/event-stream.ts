/** What happens to apps, told to the gateway line by line; kept for it while it does not listen. */
import type { ServerResponse } from 'node:http'
import type { AppEvents, AppStatus } from '../../../server/ports/apps.ts'

/** What is answered the gateway sees itself. */
type Told = Exclude<keyof AppEvents, 'answered'>

/** An event's name with its arguments, or how the apps are. */
export type Line = [Told, ...unknown[]] | ['status', readonly AppStatus[]]

export interface EventStream {
  events: AppEvents
  /** From now on, until it closes. */
  send(response: ServerResponse, status: () => readonly AppStatus[]): void
}

/** Also a sign of life. */
export const STATUS_MS = 1_000
const MAX_KEPT = 1_000

export function createEventStream(): EventStream {
  const listeners = new Map<ServerResponse, () => void>()
  let kept: Line[] = []

  function tell(...line: Line): void {
    if (listeners.size === 0 && kept.push(line) > MAX_KEPT) kept.shift()
    for (const [listener, sendStatus] of listeners) {
      write(listener, line)
      if (line[0] !== 'console') sendStatus()
    }
  }

  return {
    events: {
      loaded: (...args) => tell('loaded', ...args),
      failed: (...args) => tell('failed', ...args),
      restarted: (...args) => tell('restarted', ...args),
      console: (...args) => tell('console', ...args),
      answered() {},
    },
    send(response, status) {
      const sendStatus = () => write(response, ['status', status()])
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      sendStatus()
      for (const line of kept) write(response, line)
      kept = []
      listeners.set(response, sendStatus)
      const timer = setInterval(sendStatus, STATUS_MS)
      response.once('close', () => {
        clearInterval(timer)
        listeners.delete(response)
      })
    },
  }
}

function write(response: ServerResponse, line: Line): void {
  response.write(`${jsonOf(line)}\n`)
}

/** An error's message is a member like others. */
export function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    inner instanceof Error ? { ...inner, name: inner.name, message: inner.message } : inner,
  )
}
