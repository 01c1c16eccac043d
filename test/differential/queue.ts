/** Queue calls on queues that do not deliver, and deliveries to a target that behaves as each job says. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { JobStatus, QueueJob, QueuePort } from '../../server/ports/queue.ts'
import { startTarget } from '../conformance/target.ts'
import { callWith, type Differential, type Step, step } from './harness.ts'
import { json, objects, texts } from './values.ts'

export interface QueueSide {
  queue: Guarded<QueuePort>
  /** In the order of posting: generated calls name a job by its place. */
  ids: number[]
}

const NOWHERE = 'http://127.0.0.1:1/'

const names = fc.oneof(
  { weight: 30, arbitrary: fc.constant('q') },
  { weight: 4, arbitrary: fc.constantFrom('r', '-', '~', '_', 'q-r', 'q~r', '0', 'n'.repeat(300), 'constructor') },
  { weight: 1, arbitrary: fc.constantFrom('', 'Q', 'q:r', 'q r', 'é', 'q*', '__proto__', 'a\0b') },
)
const otherNames = fc.oneof({ weight: 1, arbitrary: names }, { weight: 3, arbitrary: fc.constantFrom('r', 'q-r') })
const targets = fc.oneof(
  { weight: 6, arbitrary: fc.constant(NOWHERE) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...[
        'https://example.invalid/x?a=b#c',
        'HTTP://LOCALHOST',
        'http://[::1]:80/',
        'http://user:pass@h/',
        'http://é.example/',
      ],
      ...['ftp://x/y', 'javascript:1', '', 'x', '/relative', 'http://', 'http:x', 'file:///etc/passwd'],
    ),
  },
)
const secrets = fc.oneof(fc.constantFrom<unknown>('', 's', 'é😀', 'x'.repeat(100), 'x'.repeat(101), 5, null), texts)
const bodies = fc.oneof({ weight: 3, arbitrary: objects }, fc.constantFrom({}, { id: 1, name: 'x', opts: {} }))
const errors = fc.oneof(texts, fc.constantFrom('x'.repeat(3_000)))
/** A place in the order of posting, or what is no id of a job. */
const ids = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 4 }) as fc.Arbitrary<unknown> },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      'nope',
      '-1',
      '999999999',
      ' 1',
      '1.5',
      '1e3',
      '0x1',
      'é',
      '*',
      '9'.repeat(40),
      'repeat:1',
      '0:1',
    ),
  },
)

export const queueDifferential: Differential<QueueSide> = {
  service: 'queue',
  setup: fc
    .array(fc.tuple(bodies, fc.option(errors, { nil: undefined })), { maxLength: 4 })
    .map((jobs) => [
      { method: 'create', args: { name: 'q', target: NOWHERE } },
      ...jobs.map(([job, error]) => ({ method: 'post', args: { name: 'q', job, error } })),
    ]),
  steps: {
    'PUT /queue/:name': step('create', { name: otherNames, target: targets }),
    'PUT /queue/:name secret': step('create', { name: otherNames, target: targets, secret: secrets }),
    'DELETE /queue/:name': step('delete', { name: otherNames }),
    'GET /queue': step('list', {}),
    purge: step('empty', { name: otherNames }),
    'POST /queue/:name': step('post', { name: names, job: bodies }),
    'POST /queue/:name failed job': step('post', { name: names, job: bodies, error: errors }),
    'GET status READY': step('get', { name: names, status: fc.constant('READY') }),
    'GET status ERROR': step('get', { name: names, status: fc.constant('ERROR') }),
    _retry: step('retry', { name: names, id: ids }),
    _cancel: step('cancel', { name: names, id: ids }),
    'wrong types': fc
      .tuple(
        fc.constantFrom('create', 'post', 'get', 'cancel', 'retry', 'delete'),
        fc.constantFrom('name', 'target', 'secret', 'job', 'status', 'id', 'error'),
        json,
      )
      .map(([method, name, wrong]) => ({
        method,
        args: { name: 'r', target: NOWHERE, job: {}, status: 'READY', id: 'nope', [name]: wrong },
      })),
  },
  isWrite: ({ method }) => !['list', 'get'].includes(method),
  observe: (['READY', 'ERROR'] as const).map((status) => ({ method: 'get', args: { name: 'q', status } })),
  reset,

  async perform(side, { method, args }) {
    const { queue } = side
    const { id } = args
    const answer = await callWith(
      queue,
      method,
      typeof id === 'number' ? { ...args, id: String(side.ids[id] ?? -1) } : args,
    )
    if (method === 'post') {
      const { id } = answer as { id: number }
      const isLater = id > (side.ids.at(-1) ?? -1)
      side.ids.push(id)
      return { isLater }
    }
    if (method !== 'get') return answer
    return (await collect(answer as Awaited<ReturnType<QueuePort['get']>>)).map((job) => known(side, decode(job)))
  },
}

async function reset(side: QueueSide): Promise<void> {
  for (const name of (await side.queue.list({})).names) await side.queue.delete({ name })
  side.ids = []
}

function known({ ids }: QueueSide, { id, timestmp, job, ...rest }: QueueJob) {
  const isIso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(timestmp)
  const isRecent = Math.abs(Date.now() - Date.parse(timestmp)) < 60_000
  return { id: ids.indexOf(id), time: isIso && isRecent ? 'now' : timestmp, job: decode(job), ...rest }
}

/** What the target does with a job. `once …` is its first attempt; further ones are answered 204. */
const BEHAVIOURS = {
  '2xx': ['200', '204', '299', '200 with text'],
  'not 2xx': ['500', '400 with text', '404', '503 with text', '304'],
  redirect: ['301', '307'],
  'broken answer': ['closed', 'no http'],
  'first attempt fails': ['once 500', 'once closed'],
}
const SILENCES = { 'no answer in time': ['silent', 'once silent'] }

const PATIENCE_MS = 20_000
const POLL_MS = 50

/** Its sides are started. */
export const deliveryDifferential: Differential<QueueSide> = {
  ...deliveriesAs(BEHAVIOURS),
  service: 'queue deliveries',
}

/** Its sides do not wait long for an answer, but longer than a busy machine takes to give one. */
export const silenceDifferential: Differential<QueueSide> = {
  ...deliveriesAs(SILENCES),
  service: 'queue timeouts',
  length: 40,
}

function deliveriesAs(behaviours: Record<string, string[]>): Omit<Differential<QueueSide>, 'service'> {
  const job = (of: string[]) => fc.tuple(fc.constantFrom(...of), bodies)
  return {
    setup: fc.constant([]),
    steps: Object.fromEntries(
      Object.entries(behaviours).map(([label, of]) => [
        `delivery: ${label}`,
        step('deliver', {
          jobs: fc.array(job(of), { minLength: 1, maxLength: 4 }),
          secret: fc.constantFrom(undefined, '', 's', 'é'),
          path: fc.constantFrom('', '/deep/er?x=y&z', '/%2F%20'),
        }),
      ]),
    ),
    length: 24,
    atOnce: true,
    isWrite: () => false,
    observe: [],
    reset,
    perform: deliver,
  }
}

async function deliver({ queue }: QueueSide, { args }: Step): Promise<unknown> {
  const { jobs, secret, path } = args as { jobs: [string, object][]; secret: string | undefined; path: string }
  const tries = new Map<string, number>()
  await using target = await startTarget((response, { body }) => {
    const { n, as } = JSON.parse(body) as { n: number; as: string }
    const times = (tries.get(String(n)) ?? 0) + 1
    tries.set(String(n), times)
    const behaviour = as.startsWith('once ') ? (times > 1 ? '204' : as.slice(5)) : as
    if (behaviour === 'silent') return
    if (behaviour === 'closed') return response.destroy()
    if (behaviour === 'no http') return response.socket?.end('what?\r\n\r\n')
    const status = Number.parseInt(behaviour, 10)
    response.writeHead(status, status === 301 || status === 307 ? { location: '/elsewhere' } : {})
    return response.end(behaviour.endsWith('with text') ? `job ${n}: é` : undefined)
  })
  const name = `d-${randomUUID()}`
  await queue.create({ name, target: `${new URL(target.url).origin}${path}`, secret })
  try {
    for (const [n, [as, job]] of jobs.entries()) await queue.post({ name, job: { ...job, n, as } })
    const deadline = performance.now() + PATIENCE_MS
    while ((await jobsOf(queue, name, 'READY')).length > 0) {
      if (performance.now() > deadline) return 'never settled'
      await sleep(POLL_MS)
    }
    const failed = (await jobsOf(queue, name, 'ERROR')).map(({ job, error }) => ({ job: decode(job), error }))
    const deliveries = target.deliveries.map(({ method, path, headers, body }) => {
      const { 'content-type': type, 'x-hyper-signature': signature } = headers
      return JSON.stringify({ method, path, type, isSigned: signature !== undefined, body })
    })
    return { deliveries: deliveries.sort(), failed }
  } finally {
    await queue.delete({ name })
  }
}

async function jobsOf(queue: Guarded<QueuePort>, name: string, status: JobStatus): Promise<QueueJob[]> {
  return (await collect(await queue.get({ name, status }))).map((job) => decode(job))
}
