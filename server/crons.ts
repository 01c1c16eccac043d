/** Times at which apps' `scheduled` handlers run: cron expressions in UTC, as Workers have them, so that 1 and SUN are Sunday. */
import type { Cron } from 'croner'
import { HyperError } from './error.ts'
import type { AppConfig, AppHost } from './ports/apps.ts'

const OPTIONS = { timezone: 'UTC', mode: '5-or-6-parts', alternativeWeekdays: true, unref: true } as const

/** @throws CONFIG_INVALID for an expression that is none, or that never comes */
export async function checkCrons({ name, crons }: Pick<AppConfig, 'name' | 'crons'>): Promise<void> {
  for (const cron of crons) {
    const reason = await cronProblem(cron)
    if (reason === undefined) continue
    throw new HyperError('CONFIG_INVALID', `the app ${name} has the cron '${cron}': ${reason}`, {
      hint: 'An expression has five parts, such as */5 * * * * for every five minutes.',
    })
  }
}

/** What is wrong with an expression, if anything. */
export async function cronProblem(cron: string): Promise<string | undefined> {
  const { Cron } = await import('croner')
  try {
    return new Cron(cron, { ...OPTIONS, paused: true }).nextRun() ? undefined : 'it never comes'
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '')
  }
}

export interface CronEvents {
  ran(app: string, cron: string, outcome: string): void
  /** The app does not run, or has no handler. */
  failed(app: string, cron: string, reason: string): void
}

/** Runs the crons of whichever apps run; those that stay when others change neither miss a time nor run twice at one. */
export function runCrons(host: AppHost, events: CronEvents): void {
  const jobs = new Map<string, Cron>()
  let isClosed = false
  const { apply, close } = host

  async function run(app: string, cron: string, at: Date): Promise<void> {
    try {
      const { outcome } = await host.schedule(app, cron, at.setMilliseconds(0))
      events.ran(app, cron, outcome)
    } catch (error) {
      events.failed(app, cron, (error as Error).message)
    }
  }

  async function follow(apps: readonly AppConfig[]): Promise<void> {
    const wanted = new Map(apps.flatMap(({ name, crons }) => crons.map((cron) => [`${name} ${cron}`, { name, cron }])))
    for (const [key, job] of jobs) {
      if (wanted.has(key)) continue
      job.stop()
      jobs.delete(key)
    }
    if (wanted.size === 0) return
    const { Cron } = await import('croner')
    for (const [key, { name, cron }] of wanted) {
      if (jobs.has(key) || isClosed) continue
      jobs.set(key, new Cron(cron, OPTIONS, (job: Cron) => void run(name, cron, job.currentRun() ?? new Date())))
    }
  }

  host.apply = async (apps, options) => {
    const reloaded = await apply(apps, options)
    await follow(apps)
    return reloaded
  }
  host.close = async (drainMs) => {
    isClosed = true
    for (const job of jobs.values()) job.stop()
    await close(drainMs)
  }
}
