/** What apps are doing in the moment somebody looks (worker-runtime §5.1). */
import type prom from 'prom-client'
import type { Registry } from 'prom-client'
import type { AppStatus } from './ports/apps.ts'

export function registerAppGauges(
  { Counter, Gauge }: typeof prom,
  registry: Registry,
  status: () => readonly AppStatus[],
): void {
  const registers = [registry]
  new Gauge({
    name: 'nano_app_memory_bytes',
    help: 'Resident memory of the processes of an app.',
    labelNames: ['app'],
    registers,
    collect() {
      this.reset()
      for (const { name, memoryBytes } of status()) this.set({ app: name }, memoryBytes)
    },
  })
  new Gauge({
    name: 'nano_app_up',
    help: '1 while an app answers.',
    labelNames: ['app'],
    registers,
    collect() {
      this.reset()
      for (const { name, state } of status())
        this.set({ app: name }, state === 'failed' || state === 'starting' ? 0 : 1)
    },
  })
  new Counter({
    name: 'nano_app_restarts_total',
    help: 'Processes of an app that were ended or ended themselves, by reason.',
    labelNames: ['app', 'reason'],
    registers,
    collect() {
      this.reset()
      for (const { name, restarts } of status()) {
        for (const [reason, count] of Object.entries(restarts)) this.inc({ app: name, reason }, count)
      }
    },
  })
  new Counter({
    name: 'nano_app_timeouts_total',
    help: 'How often an app held its thread for longer than it may.',
    labelNames: ['app'],
    registers,
    collect() {
      this.reset()
      for (const { name, restarts } of status()) this.inc({ app: name }, restarts.timeout)
    },
  })
}
