/** Sends jobs to their targets: one POST each, as hyper's workers receive it (hyper-api §8.3). */
import { createHmac } from 'node:crypto'
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request, STATUS_CODES } from 'node:http'
import type { LookupFunction } from 'node:net'
import { urlToHttpOptions } from 'node:url'

/** Of an answer that refuses a job, so much is kept as the reason. */
const REASON_BYTES = 2_048
/** What a target may say after its status before its connection is cut: so much, for so long. */
const ANSWER_BYTES = 65_536
const ANSWER_MS = 1_000
/** A connection that nothing was sent on for so long is closed. */
const IDLE_MS = 4_000

/** An address, read once for all its jobs. */
export interface Target {
  isSecure: boolean
  options: RequestOptions
}

export interface Job {
  target: Target
  secret: string | undefined
  /** JSON text. */
  text: string
  /** Cuts the request off. */
  signal: AbortSignal
}

export interface Sender {
  /** Resolves with nothing once the target answered 2xx, else with why the job was not delivered. Never rejects. */
  send(job: Job): Promise<string | undefined>
  close(): void
}

/**
 * Where a target is served when its name is one of ours, whatever resolvers say; asked for each attempt. Without a TCP port the
 * target names none.
 */
export type Locate = (
  hostname: string,
  tcpPort: number | undefined,
) => { hostname: string; tcpPort: number } | undefined

export interface SenderOptions {
  /** How long a target may take to answer. */
  timeoutMs: number
  now(): number
  locate?: Locate | undefined
}

export function createSender({ timeoutMs, now, locate }: SenderOptions): Sender {
  const options = { keepAlive: true, timeout: IDLE_MS }
  const agent = new Agent(options)
  let secure: Promise<{ agent: Agent; request: typeof request }> | undefined

  /** TLS costs memory that most sandboxes never need. */
  async function secureTransport() {
    const https = await import('node:https')
    return { agent: new https.Agent(options) as Agent, request: https.request as typeof request }
  }

  async function attempt({ target, secret, text, signal }: Job): Promise<IncomingMessage> {
    if (target.isSecure) secure ??= secureTransport()
    const transport = target.isSecure ? await secure : undefined
    return new Promise((resolve, reject) => {
      const { headers, ...place } = placeOf(target, locate)
      const sending: ClientRequest = (transport?.request ?? request)({
        ...place,
        agent: transport?.agent ?? agent,
        headers: {
          ...headers,
          'content-type': 'application/json',
          ...(secret === undefined ? {} : { 'x-hyper-signature': signature(secret, text, now()) }),
        },
      })
      // What the option `signal` does, without its listeners for every way a stream can end: a fifth of a delivery.
      if (signal.aborted) sending.destroy()
      else signal.addEventListener('abort', () => sending.destroy())
      const timer = setTimeout(() => {
        sending.destroy(new Error(`the target did not answer within ${timeoutMs / 1000} s`))
      }, timeoutMs)
      sending.on('response', (answer) => {
        clearTimeout(timer)
        // It answered before it had heard all: the rest is not worth sending.
        answer.on('close', () => sending.writableFinished || sending.destroy())
        resolve(answer)
      })
      sending.on('upgrade', (answer, socket) => {
        clearTimeout(timer)
        socket.destroy()
        resolve(answer)
      })
      sending.on('error', (error) => {
        clearTimeout(timer)
        // The target may have closed an idle connection just when it was chosen: that says nothing about the target.
        const isStale = sending.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
        reject(isStale && !signal.aborted ? new StaleConnection() : error)
      })
      // Node joins head and body into one string; ASCII written as latin1 is copied, as UTF-8 it is transcoded.
      sending.end(text, Buffer.byteLength(text) === text.length ? 'latin1' : 'utf8')
    })
  }

  return {
    async send(job) {
      for (;;) {
        try {
          const answer = await attempt(job)
          const said = await readAnswer(answer)
          return isSuccess(answer.statusCode) ? undefined : refusal(answer, said)
        } catch (error) {
          if (!(error instanceof StaleConnection)) return failure(error)
        }
      }
    },
    close() {
      agent.destroy()
      void secure?.then((transport) => transport.agent.destroy())
    },
  }
}

/** @param url http or https */
export function targetOf(url: string): Target {
  const { protocol, hostname, port, path, auth } = urlToHttpOptions(new URL(url))
  const options: RequestOptions = { hostname, port, path, auth, method: 'POST' }
  if (isLoopbackName(hostname ?? '')) options.lookup = lookUpLoopback
  return { isSecure: protocol === 'https:', options }
}

/** As it is, or at our own address under its name. */
function placeOf(
  { isSecure, options }: Target,
  locate: Locate | undefined,
): RequestOptions & { headers?: { host: string } } {
  const { hostname, port } = options
  const found = isSecure ? undefined : locate?.(hostname ?? '', port ? Number(port) : undefined)
  if (!found) return options as RequestOptions & { headers?: never }
  const { lookup: _, ...rest } = options
  const host = port ? `${hostname}:${port}` : String(hostname)
  return { ...rest, hostname: found.hostname, port: found.tcpPort, headers: { host } }
}

class StaleConnection extends Error {}

/** `t=<ms>,sig=<hex>`: an HMAC with SHA-256 over `<ms>.<body>`. */
export function signature(secret: string, text: string, time: number): string {
  return `t=${time},sig=${createHmac('sha256', secret).update(`${time}.${text}`).digest('hex')}`
}

/** Reads to the end, so that the connection can be used again, but never much; resolves with how it begins. */
function readAnswer(answer: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(() => answer.destroy(), ANSWER_MS)
    answer.on('data', (part: Buffer) => {
      if (bytes < REASON_BYTES) parts.push(part)
      bytes += part.length
      if (bytes > ANSWER_BYTES) answer.destroy()
    })
    answer.on('error', () => {}) // cut off, by the target or by us: what came is enough
    answer.on('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(parts).subarray(0, REASON_BYTES).toString())
    })
  })
}

function isSuccess(status = 0): boolean {
  return status >= 200 && status < 300
}

/** Why an answer other than 2xx is none (hyper-api §8.4: what the target said). */
function refusal({ statusCode = 0, headers }: IncomingMessage, said: string): string {
  const status = `the target answered ${[statusCode, STATUS_CODES[statusCode]].filter(Boolean).join(' ')}`
  if (statusCode >= 300 && statusCode < 400) {
    const place = headers.location === undefined ? '' : ` to ${headers.location.slice(0, REASON_BYTES)}`
    return `${status}: a redirect${place}, which is not followed`
  }
  return said.trim() === '' ? status : said
}

function failure(error: unknown): string {
  // One error for each address that was tried.
  const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error
  const { message, code = '' } = cause as NodeJS.ErrnoException
  if (code.startsWith('HPE_')) return `the target did not answer in HTTP: ${message}`
  if (message === 'socket hang up') return 'the target closed the connection without an answer'
  return message.startsWith('the target') ? message : `the target cannot be reached: ${message}`
}

/** RFC 6761 §6.3, which resolvers of some systems do not know. */
function isLoopbackName(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost')
}

const LOOPBACK = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

const lookUpLoopback: LookupFunction = (_hostname, options, callback) => {
  const wanted = LOOPBACK.filter(({ family }) => !options.family || options.family === family)
  if (options.all) callback(null, wanted)
  else callback(null, wanted[0]?.address ?? '127.0.0.1', wanted[0]?.family ?? 4)
}
