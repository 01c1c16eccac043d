/** NANO's six unlabelled metrics of the whole process (worker-runtime §5.1). */
import type prom from 'prom-client'
import type { Registry } from 'prom-client'

export interface NanoTotals {
  observe(status: number, ms: number): void
  readonly requests: number
  /** Answers with a status of 400 or more, and requests whose client left without one. */
  readonly errors: number
  readonly uptimeSeconds: number
  register(library: typeof prom, registry: Registry): void
}

export function createNanoTotals(): NanoTotals {
  const startedAt = performance.now()
  let requests = 0
  let errors = 0
  let sum = 0
  let min = Number.POSITIVE_INFINITY
  let max = 0

  const totals: NanoTotals = {
    observe(status, ms) {
      requests += 1
      if (status >= 400 || status === 0) errors += 1
      sum += ms
      if (ms < min) min = ms
      if (ms > max) max = ms
    },
    get requests() {
      return requests
    },
    get errors() {
      return errors
    },
    get uptimeSeconds() {
      return Math.floor((performance.now() - startedAt) / 1_000)
    },
    register({ Counter, Gauge }, registry) {
      const registers = [registry]
      const counter = (name: string, help: string, value: () => number) =>
        new Counter({
          name,
          help,
          registers,
          collect() {
            this.reset()
            this.inc(value())
          },
        })
      const gauge = (name: string, help: string, value: () => number) =>
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(Math.round(value() * 100) / 100)
          },
        })
      counter('nano_requests_total', 'Requests answered, of apps and of the server itself.', () => requests)
      counter('nano_errors_total', 'Answers with a status of 400 or more.', () => errors)
      gauge('nano_request_latency_ms_avg', 'Mean time of an answer since the start.', () =>
        requests === 0 ? 0 : sum / requests,
      )
      gauge('nano_request_latency_ms_min', 'Shortest time of an answer.', () => (requests === 0 ? 0 : min))
      gauge('nano_request_latency_ms_max', 'Longest time of an answer.', () => max)
      counter('nano_uptime_seconds', 'Time since the start.', () => totals.uptimeSeconds)
    },
  }
  return totals
}
