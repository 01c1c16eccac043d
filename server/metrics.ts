/**
 * Request metrics in Prometheus' format. Samples are only noted on the request path; prom-client is loaded, and fed, when
 * somebody looks or a buffer is full, so that neither start-up nor requests pay for it.
 */
import type { Counter, Histogram, Registry } from 'prom-client'
import { createNanoTotals, type NanoTotals } from './nano-totals.ts'
import type { AppHost } from './ports/apps.ts'

export interface Metrics {
  contentType: string
  /** @param ms from the request's arrival to its answer's end */
  observe(service: string, method: string, status: number, ms: number): void
  /** The same of a request that an app answered; `status` 0 when the client left before. */
  observeApp(app: string, status: number, ms: number): void
  readonly totals: NanoTotals
  /** Tells of these apps from now on. */
  showApps(apps: Pick<AppHost, 'status'>): void
  text(): Promise<string>
}

type Sample =
  | { service: string; method: string; status: number; ms: number }
  | { app: string; status: number; ms: number }

const BUFFER_SIZE = 2_000
const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

interface Collectors {
  registry: Registry
  duration: Histogram
  appRequests: Counter
  appDuration: Histogram
}

export function createMetrics(): Metrics {
  const totals = createNanoTotals()
  let samples: Sample[] = []
  let loading: Promise<Collectors> | undefined
  let apps: Pick<AppHost, 'status'> | undefined
  const status = () => apps?.status() ?? []
  /** The first one of each app, of those that are gone too. */
  const hostnames = new Map<string, string>()

  async function load(): Promise<Collectors> {
    // The bundle gives a CommonJS library no names but this one.
    const { default: prom } = await import('prom-client')
    const { collectDefaultMetrics, Counter, Histogram, Registry } = prom
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const registers = [registry]
    const duration = new Histogram({
      name: 'hyper_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer, by service, method and status.',
      labelNames: ['service', 'method', 'status'],
      buckets: BUCKETS_SECONDS,
      registers,
    })
    totals.register(prom, registry)
    const { registerAppGauges } = await import('./app-gauges.ts')
    registerAppGauges(prom, registry, status)
    const appRequests = new Counter({
      name: 'nano_app_requests_total',
      help: 'Requests that apps answered, by app, its first host name and status.',
      labelNames: ['app', 'hostname', 'code'],
      registers,
    })
    const appDuration = new Histogram({
      name: 'nano_app_request_duration_seconds',
      help: 'Time from a request to an app to the end of its answer.',
      labelNames: ['app', 'hostname'],
      buckets: BUCKETS_SECONDS,
      registers,
    })
    return { registry, duration, appRequests, appDuration }
  }

  async function flush(): Promise<Registry> {
    loading ??= load()
    const { registry, duration, appRequests, appDuration } = await loading
    const noted = samples
    samples = []
    for (const {
      name,
      hostnames: [first = ''],
    } of status())
      hostnames.set(name, first)
    for (const sample of noted) {
      if ('service' in sample) {
        const { service, method, status, ms } = sample
        duration.observe({ service, method, status }, ms / 1_000)
      } else {
        const { app, status, ms } = sample
        const labels = { app, hostname: hostnames.get(app) ?? '' }
        appRequests.inc({ ...labels, code: status })
        appDuration.observe(labels, ms / 1_000)
      }
    }
    return registry
  }

  function note(sample: Sample): void {
    totals.observe(sample.status, sample.ms)
    samples.push(sample)
    if (samples.length === BUFFER_SIZE) void flush()
  }

  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    totals,
    observe: (service, method, status, ms) => note({ service, method, status, ms }),
    observeApp: (app, status, ms) => note({ app, status, ms }),
    showApps(shown) {
      apps = shown
    },
    async text() {
      return (await flush()).metrics()
    },
  }
}
