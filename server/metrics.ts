/**
 * Request metrics in Prometheus' format. Samples are only noted on the request path; prom-client is loaded, and fed, when
 * somebody looks or a buffer is full, so that neither start-up nor requests pay for it.
 */
import type { Histogram, Registry } from 'prom-client'

export interface Metrics {
  contentType: string
  /** @param ms from the request's arrival to its answer's end */
  observe(service: string, method: string, status: number, ms: number): void
  text(): Promise<string>
}

interface Sample {
  service: string
  method: string
  status: number
  ms: number
}

const BUFFER_SIZE = 2_000
const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics(): Metrics {
  let samples: Sample[] = []
  let loading: Promise<{ registry: Registry; duration: Histogram }> | undefined

  async function load() {
    // The bundle gives a CommonJS library no names but this one.
    const { default: prom } = await import('prom-client')
    const { collectDefaultMetrics, Histogram, Registry } = prom
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    const duration = new Histogram({
      name: 'hyper_http_request_duration_seconds',
      help: 'Time from a request to the end of its answer, by service, method and status.',
      labelNames: ['service', 'method', 'status'],
      buckets: BUCKETS_SECONDS,
      registers: [registry],
    })
    return { registry, duration }
  }

  async function flush(): Promise<Registry> {
    loading ??= load()
    const { registry, duration } = await loading
    const noted = samples
    samples = []
    for (const { service, method, status, ms } of noted) duration.observe({ service, method, status }, ms / 1_000)
    return registry
  }

  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    observe(service, method, status, ms) {
      samples.push({ service, method, status, ms })
      if (samples.length === BUFFER_SIZE) void flush()
    },
    async text() {
      return (await flush()).metrics()
    },
  }
}
