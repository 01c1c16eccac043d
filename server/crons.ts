/** Times at which apps' `scheduled` handlers run: cron expressions in UTC, as Workers have them, so that 1 and SUN are Sunday. */
import { Cron } from 'croner'
import type { Logger } from 'pino'
import { HyperError } from './error.ts'
import type { AppConfig, AppHost } from './ports/apps.ts'

const OPTIONS = { timezone: 'UTC', mode: '5-or-6-parts', alternativeWeekdays: true, unref: true } as const

/** @throws CONFIG_INVALID for an expression that is none, or that never comes */
export function checkCrons({ name, crons }: AppConfig): void {
  for (const cron of crons) {
    const reason = problemOf(cron)
    if (reason === undefined) continue
    throw new HyperError('CONFIG_INVALID', `the app ${name} has the cron '${cron}': ${reason}`, {
      hint: 'An expression has five parts, such as */5 * * * * for every five minutes.',
    })
  }
}

function problemOf(cron: string): string | undefined {
  try {
    const job = new Cron(cron, { ...OPTIONS, paused: true })
    return job.nextRun() ? undefined : 'it never comes'
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '')
  }
}

/** Runs the crons of whichever apps run; those that stay when others change neither miss a time nor run twice at one. */
export function runCrons(host: AppHost, logger: Logger): void {
  const jobs = new Map<string, Cron>()
  const { apply, close } = host

  async function run(app: string, cron: string, at: number): Promise<void> {
    try {
      const { outcome } = await host.schedule(app, cron, at)
      logger.info({ app, cron, outcome }, 'scheduled')
    } catch (error) {
      logger.error({ app, cron, reason: (error as Error).message }, 'its scheduled handler did not run')
    }
  }

  host.apply = async (apps, options) => {
    const reloaded = await apply(apps, options)
    const wanted = new Map(apps.flatMap(({ name, crons }) => crons.map((cron) => [`${name} ${cron}`, { name, cron }])))
    for (const [key, job] of jobs) {
      if (wanted.has(key)) continue
      job.stop()
      jobs.delete(key)
    }
    for (const [key, { name, cron }] of wanted) {
      if (jobs.has(key)) continue
      jobs.set(
        key,
        new Cron(cron, OPTIONS, (job) => run(name, cron, Math.floor((job.currentRun()?.getTime() ?? 0) / 1000) * 1000)),
      )
    }
    return reloaded
  }
  host.close = async (drainMs) => {
    for (const job of jobs.values()) job.stop()
    jobs.clear()
    await close(drainMs)
  }
}
