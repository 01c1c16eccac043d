/** `serve` in a process of its own, on a free port, in a project made for one test. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { Agent, request } from 'undici'
import { eventually, type Started, type TestProject } from './cli.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

/** One line of NANO's JSON log. */
export type LogLine = Record<string, unknown> & { event: string; level: string }

/** An app that answers with this text, and remembers how often it was asked. */
export const TEXT_APP = (text: string) => `let count = 0
export default {
  async fetch(request, env) {
    count += 1
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/slow') await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get('ms'))))
    if (pathname === '/count') return Response.json({ count, env })
    if (pathname === '/stream') {
      let timer
      const body = new ReadableStream({
        start(controller) {
          timer = setInterval(() => controller.enqueue(new TextEncoder().encode('data: tick\\n\\n')), 50)
        },
        cancel: () => clearInterval(timer),
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    return new Response('${text}')
  },
}
`

export class Serving implements AsyncDisposable {
  readonly project: TestProject
  readonly started: Started
  readonly tcpPort: number
  readonly #agent = new Agent()

  constructor(project: TestProject, started: Started, tcpPort: number) {
    this.project = project
    this.started = started
    this.tcpPort = tcpPort
  }

  get url(): string {
    return `http://127.0.0.1:${this.tcpPort}`
  }

  async ask(host: string | undefined, path = '/', init: Parameters<typeof request>[1] = {}): Promise<Answer> {
    const headers = { ...(init?.headers as Record<string, string>), ...(host === undefined ? {} : { host }) }
    const {
      statusCode,
      headers: answered,
      body,
    } = await request(`${this.url}${path}`, {
      dispatcher: this.#agent,
      ...init,
      headers,
    })
    return { status: statusCode, headers: answered, text: await body.text() }
  }

  async text(host: string | undefined, path = '/'): Promise<string> {
    return (await this.ask(host, path)).text
  }

  /** A call of the admin API, with its answer read as JSON. */
  async admin(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const init = {
      method: method as 'GET',
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }
    const { status, text, headers: answered } = await this.ask(undefined, path, init)
    return { status, body: JSON.parse(text) as Record<string, unknown>, headers: answered }
  }

  /** Bytes as they are; resolves with all that comes back until the other side closes. */
  raw(bytes: string): Promise<string> {
    return rawExchange(this.tcpPort, bytes)
  }

  /** What was logged of these events so far. */
  logged(...events: string[]): LogLine[] {
    const { stdout, stderr } = this.started.said()
    return `${stdout}\n${stderr}`
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter(({ event }) => events.length === 0 || events.includes(event))
  }

  async untilLogged(event: string, times = 1): Promise<LogLine> {
    await eventually(`${event} is logged ${times} times`, () => this.logged(event).length >= times)
    return this.logged(event).at(-1) as LogLine
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.started.pid, signal)
  }

  /** Ends it as whoever runs it would. */
  async stop(signal: NodeJS.Signals = 'SIGTERM') {
    await this.#agent.close()
    this.signal(signal)
    return await this.started.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.started.child.exitCode === null && this.started.child.signalCode === null) this.signal('SIGTERM')
    await this.#agent.destroy()
    await this.started.ended
    assert.deepEqual(this.project.appProcesses(), [])
  }
}

/** Starts `serve` and waits until it listens. */
export async function serving(
  project: TestProject,
  args: readonly string[],
  options: Parameters<TestProject['start']>[1] = {},
): Promise<Serving> {
  const started = project.start(['serve', '--port', '0', ...args], options)
  const portIn = () => /server_start(?:.*"port":| port=)(\d+)/.exec(started.said().stdout + started.said().stderr)?.[1]
  await eventually('serve listens', () => portIn() !== undefined || started.child.exitCode !== null)
  const tcpPort = portIn()
  assert.ok(tcpPort, `serve did not start: ${started.said().stderr}`)
  return new Serving(project, started, Number(tcpPort))
}

/** Files of an app below the project's directory. */
export function writeApp(project: TestProject, file: string, source: string): void {
  mkdirSync(dirname(project.file(file)), { recursive: true })
  project.write(file, source)
}

export function writeConfig(project: TestProject, config: object | string): void {
  project.write('config.json', typeof config === 'string' ? config : JSON.stringify(config))
}

export function rawExchange(tcpPort: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(tcpPort, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    let answer = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text
    })
    socket.on('error', () => resolve(answer))
    socket.on('close', () => resolve(answer))
    socket.setTimeout(10_000, () => socket.destroy())
  })
}
