/** The queue suite is worth what it catches: adapters broken in one way each, every one of which must make it red. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createSqliteQueue } from '../adapters/queue/sqlite.ts'
import { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type QueueJob, type QueuePort, queuePort } from '../server/ports/queue.ts'
import { type QueueTuning, queueSuite } from './conformance/queue.ts'
import { assigned, type Case, ignore, type Mutant, proveSuite } from './helpers/mutants.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-queue-mutants-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface BrokenAdapter extends Mutant {
  /** What differs from `real`. */
  breaks?(real: QueuePort): Partial<QueuePort>
  /** What differs from how the case sets the adapter up, or from how it is set up again after a close. */
  tunes?: Partial<QueueTuning>
  retunes?: Partial<QueueTuning>
}

const mutants: BrokenAdapter[] = [
  {
    name: 'a queue made twice is fine',
    rule: 'queues: ',
    breaks: (real) => ({ create: (args) => real.create(args).catch(ignore('QUEUE_EXISTS')) }),
  },
  {
    name: 'a queue made twice takes the new target',
    rule: 'queues: ',
    breaks: (real) => ({
      create: (args) =>
        real.create(args).catch(async (error: unknown) => {
          ignore('QUEUE_EXISTS')(error)
          await real.delete(args)
          await real.create(args)
          throw error
        }),
    }),
  },
  {
    name: 'names in alphabetical order',
    rule: '',
    breaks: (real) => ({ list: async () => ({ names: (await real.list({})).names.toSorted() }) }),
  },
  {
    name: 'secrets are forgotten',
    rule: '',
    breaks: (real) => ({ create: ({ name, target }) => real.create({ name, target }) }),
  },
  {
    name: 'secrets are trimmed of all but their first two characters',
    rule: '',
    breaks: (real) => ({ create: (args) => real.create({ ...args, secret: args.secret?.slice(0, 2) }) }),
  },
  {
    name: 'an empty secret signs',
    rule: 'signature: an empty',
    breaks: (real) => ({ create: (args) => real.create({ ...args, secret: args.secret === '' ? ' ' : args.secret }) }),
  },
  {
    name: 'a deleted queue goes on sending',
    rule: 'delete:',
    breaks: (real) => {
      const gone = new Set<string>()
      const unlessGone = (name: string) => {
        if (gone.has(name)) throw new HyperError('QUEUE_NOT_FOUND', 'queue not found')
      }
      return {
        async delete({ name }) {
          await real.get({ name, status: 'READY' })
          gone.add(name)
        },
        async create(args) {
          if (gone.delete(args.name)) await real.delete(args)
          await real.create(args)
        },
        list: async () => ({ names: (await real.list({})).names.filter((name) => !gone.has(name)) }),
        async get(args) {
          unlessGone(args.name)
          return real.get(args)
        },
      }
    },
  },
  {
    name: 'emptying counts nothing',
    rule: 'empty:',
    breaks: (real) => ({ empty: async (args) => ({ ...(await real.empty(args)), count: 0 }) }),
  },
  {
    name: 'emptying removes the queue',
    rule: 'empty:',
    breaks: (real) => ({
      async empty(args) {
        const counted = await real.empty(args)
        await real.delete(args)
        return counted
      },
    }),
  },
  {
    name: 'emptying leaves failed jobs',
    rule: 'empty:',
    breaks: (real) => ({
      async empty({ name }) {
        const waiting = (await collect(await real.get({ name, status: 'READY' }))).map((job) => decode(job))
        for (const { id } of waiting) await real.cancel({ name, id: String(id) })
        return { count: waiting.length }
      },
    }),
  },
  {
    name: 'a job is sent twice',
    rule: '',
    breaks: (real) => ({
      async post(args) {
        await real.post(args)
        return real.post(args)
      },
    }),
  },
  {
    name: 'a job is acknowledged and lost',
    rule: '',
    breaks: (real) => ({
      async post(args) {
        const { id } = await real.post(args)
        await real.cancel({ name: args.name, id: String(id) })
        return { id }
      },
    }),
  },
  {
    name: 'jobs pass through an object spread by assignment',
    rule: 'job: comes back',
    breaks: (real) => ({ post: (args) => real.post({ ...args, job: assigned(args.job) }) }),
  },
  {
    name: 'ids begin at 1 again in each queue',
    rule: '',
    breaks: (real) => {
      const counts = new Map<string, number>()
      return {
        async post(args) {
          await real.post(args)
          const id = (counts.get(args.name) ?? 0) + 1
          counts.set(args.name, id)
          return { id }
        },
      }
    },
  },
  {
    name: 'only the first page is listed',
    rule: 'many:',
    breaks: (real) => ({ get: async (args) => ({ items: (await real.get(args)).items }) }),
  },
  {
    name: 'the latest job is listed first',
    rule: '',
    breaks: (real) => ({
      get: async (args) => ({ items: (await collect(await real.get(args))).toReversed() }),
    }),
  },
  {
    name: 'why a job failed is not told',
    rule: '',
    breaks: (real) => ({ get: (args) => changed(real, args, ({ error: _, ...job }) => job) }),
  },
  {
    name: 'the time of enqueueing is that of the listing',
    rule: 'listing: shows',
    breaks: (real) => ({
      get: (args) => changed(real, args, (job) => ({ ...job, timestmp: new Date(Date.now() + 5_000).toISOString() })),
    }),
  },
  { name: 'a job is tried once', rule: '', tunes: { attempts: 1 } },
  { name: 'a job is tried for ever', rule: '', tunes: { attempts: 1_000_000 } },
  { name: 'attempts follow each other at once', rule: '', tunes: { backoffMs: 0 } },
  { name: 'a target may take for ever', rule: 'failure: a target that takes', tunes: { timeoutMs: 60_000 } },
  { name: 'one job of a queue at a time', rule: '', tunes: { concurrency: 1 } },
  { name: 'all jobs of a queue at once', rule: '', tunes: { concurrency: 1_000 } },
  {
    name: 'what waits from before is sent at once',
    rule: 'start:',
    breaks: (real) => ({
      async open() {
        await real.open()
        await real.start({})
      },
    }),
  },
  { name: 'a sandbox that ends goes on sending', rule: 'stop:', breaks: () => ({ stop: async () => {} }) },
  { name: 'after a restart nothing is sent', rule: '', retunes: { concurrency: 0 } },
  { name: 'a restart begins all attempts anew', rule: 'reopen: a job between', retunes: { attempts: 3 } },
  {
    name: 'cancel does nothing',
    rule: 'cancel:',
    breaks: (real) => ({ cancel: async (args) => void (await found(real, args)) }),
  },
  {
    name: 'cancel only hides the job',
    rule: 'cancel:',
    breaks: (real) => {
      const hidden = new Set<number>()
      return {
        async cancel(args) {
          if (hidden.has(Number(args.id))) throw new HyperError('JOB_NOT_FOUND', 'job not found')
          await found(real, args)
          hidden.add(Number(args.id))
        },
        get: async (args) => ({
          items: (await collect(await real.get(args))).filter((job) => !hidden.has(decode(job).id)),
        }),
      }
    },
  },
  {
    name: 'cancelling what is no job is fine',
    rule: 'cancel: what is no job',
    breaks: (real) => ({ cancel: (args) => real.cancel(args).catch(ignore('JOB_NOT_FOUND')) }),
  },
  {
    name: 'ids are read as loosely as numbers',
    rule: 'cancel: what is no job',
    breaks: (real) => ({ cancel: (args) => real.cancel({ ...args, id: String(Number.parseInt(args.id, 10)) }) }),
  },
  {
    name: 'retry does nothing',
    rule: 'retry:',
    breaks: (real) => ({ retry: async (args) => void (await found(real, args)) }),
  },
  {
    name: 'retry makes a new job',
    rule: 'retry:',
    breaks: (real) => ({
      async retry({ name, id }) {
        const job = await found(real, { name, id })
        await real.cancel({ name, id })
        await real.post({ name, job: decode(job.job) })
      },
    }),
  },
]

/** Cases that shall fail are not given long to succeed, those that shall not have as long as a busy machine needs. */
function casesOn(mutant: BrokenAdapter | undefined, expected: 'green' | 'red'): Case[] {
  const cases: Case[] = []
  queueSuite({
    patienceMs: expected === 'red' ? 1_000 : 60_000,
    test: (name, run) => cases.push({ name, run }),
    create: async (tuning) => {
      const directory = mkdtempSync(join(root, 'case-'))
      const open = (changes: Partial<QueueTuning> = {}) => {
        const real = createSqliteQueue({ directory, ...tuning, ...changes })
        return guard(queuePort, { ...real, ...mutant?.breaks?.(real) })
      }
      return { queue: open(mutant?.tunes), reopen: async () => open(mutant?.retunes ?? mutant?.tunes) }
    },
  })
  return cases
}

proveSuite(mutants, casesOn)

/** The job, READY or failed. @throws JOB_NOT_FOUND */
async function found(real: QueuePort, { name, id }: { name: string; id: string }): Promise<QueueJob> {
  for (const status of ['READY', 'ERROR'] as const) {
    const jobs = (await collect(await real.get({ name, status }))).map((job) => decode(job))
    const job = jobs.find((one) => String(one.id) === id)
    if (job) return job
  }
  throw new HyperError('JOB_NOT_FOUND', 'job not found')
}

async function changed(
  real: QueuePort,
  args: Parameters<QueuePort['get']>[0],
  change: (job: QueueJob) => QueueJob,
): ReturnType<QueuePort['get']> {
  return { items: (await collect(await real.get(args))).map((job) => change(decode(job))) }
}
