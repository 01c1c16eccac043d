/** `scheduled` handlers at their times (design §9). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkCrons, runCrons } from '../server/crons.ts'
import { startAppHost } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

const APP = (text: string) => `export default {
  fetch: () => new Response('${text}'),
  async scheduled(event, env, ctx) {
    ctx.waitUntil(Promise.resolve())
    console.log('ran', event.cron, event.scheduledTime % 1000, event.type)
  },
}`

const EVERY_SECOND = '* * * * * *'

test('a cron runs once at each of its times, also over reloads, and not when its app has gone', async () => {
  await using apps = await startAppHost()
  const at: number[] = []
  const failures: string[] = []
  const { schedule } = apps.host
  apps.host.schedule = (app, cron, scheduledTime) => {
    at.push(scheduledTime)
    return schedule(app, cron, scheduledTime)
  }
  const outcomes: string[] = []
  runCrons(apps.host, {
    ran: (_app, _cron, outcome) => outcomes.push(outcome),
    failed: (_app, _cron, reason) => failures.push(reason),
  })
  const clock = { crons: [EVERY_SECOND], files: { 'index.js': APP('one') } }
  await apps.apply({ clock })
  await eventually('it ran twice', () => at.length >= 2)
  // Saved again and again, as an editor does.
  for (let n = 0; n < 10; n++) {
    await apps.apply({ clock: { ...clock, files: { 'index.js': APP(`version ${n}`) } }, other: APP('other') })
    await sleep(150)
  }
  await eventually('it ran on', () => at.length >= 4)
  assert.deepEqual(
    at.map((time) => time % 1000),
    at.map(() => 0),
  )
  assert.equal(new Set(at).size, at.length, `ran twice at a time: ${at}`)
  assert.deepEqual(failures, [])
  await eventually('the handler ran', () => apps.told.console.length >= 4)
  assert.deepEqual(
    new Set(apps.told.console.map(({ message }) => message)),
    new Set([`ran ${EVERY_SECOND} 0 scheduled`]),
  )
  assert.ok(outcomes.every((outcome) => outcome === 'ok'))

  await apps.apply({ other: APP('other') })
  const before = at.length
  await sleep(1_500)
  assert.equal(at.length, before)
})

test('a handler that is missing or throws is told of', async () => {
  await using apps = await startAppHost()
  const told: string[] = []
  runCrons(apps.host, {
    ran: (app, _cron, outcome) => told.push(`${app} ${outcome}`),
    failed: (app, _cron, reason) => told.push(`${app} ${reason}`),
  })
  const crons = [EVERY_SECOND]
  await apps.apply({
    without: { crons, files: { 'index.js': `export default { fetch: () => new Response('x') }` } },
    throwing: { crons, files: { 'index.js': `export default { scheduled() { throw new Error('no luck') } }` } },
  })
  await eventually('both are told of', () => new Set(told).size === 2)
  assert.deepEqual([...new Set(told)].sort(), [
    'throwing exception',
    'without the app without has no scheduled handler',
  ])
  assert.ok(apps.told.console.some(({ message }) => message.includes('no luck')))
})

test('what is no cron is named with its app', async () => {
  const problems: [string, RegExp][] = [
    ['nonsense', /the app clock has the cron 'nonsense'/],
    ['* * * *', /'\* \* \* \*'/],
    ['61 * * * *', /61/],
    ['0 0 31 2 *', /never comes/],
    ['', /cron ''/],
  ]
  for (const [cron, message] of problems) {
    await assert.rejects(
      checkCrons({ name: 'clock', crons: ['* * * * *', cron] }),
      { code: 'CONFIG_INVALID', message },
      cron,
    )
  }
  for (const cron of ['*/5 * * * *', '0 9 * * mon-fri', '0 0 L * *', '30 4 1,15 * 7', '0 0 * * 6L']) {
    await checkCrons({ name: 'clock', crons: [cron] })
  }
})
