/** Redis keeps `cache` and `queue`. */
import { type BackendDefinition, fromEnvFile, healthcheck, versionNumbers } from '../part.ts'

const VARIABLE = 'SANDBOX_REDIS_PASSWORD'
const PASSWORD = fromEnvFile(VARIABLE)
const URL = `redis://:${PASSWORD}@redis:6379`

export const redis: BackendDefinition = {
  about: 'Redis keeps cache and queue',
  images: [
    'redis:8.10.1-alpine@sha256:becdda6c7f4b3fb42e42fd7f120bbf5c54c4caaaf16f26da24e4563d2c1f0576',
    'redis:8.10.1-alpine',
    'valkey/valkey:9.1.1-alpine',
  ],
  // Their files went apart with Redis 7.4.
  formatOf: (image) => (image.includes('valkey') ? 'valkey' : 'redis'),
  versionVariable: 'REDIS_VERSION',
  passwordVariable: VARIABLE,
  tcpPort: 6379,
  dataDirectory: '/data',
  // Newer ones read what older ones wrote.
  opens(now, then) {
    const [major = 0] = versionNumbers(now.version)
    const [majorThen = 0] = versionNumbers(then.version)
    return now.format === then.format && major >= majorThen
  },
  service: () => ({
    // Queues must not lose jobs to eviction: what is full refuses writes, well before its container's limit would kill it.
    command: [
      'redis-server',
      ...['--appendonly', 'yes', '--appendfsync', 'everysec'],
      ...['--maxmemory', '768mb', '--maxmemory-policy', 'noeviction'],
      ...['--requirepass', PASSWORD],
    ],
    environment: { REDISCLI_AUTH: PASSWORD },
    // Without -e an error reply counts as success.
    healthcheck: healthcheck('CMD', 'redis-cli', '-e', 'ping'),
    mem_limit: '1g',
    stop_grace_period: '5s',
  }),
  gateway: (services) => ({
    ...(services.includes('cache') ? { HYPER_SANDBOX_CACHE_URL: URL } : {}),
    ...(services.includes('queue') ? { HYPER_SANDBOX_QUEUE_URL: URL } : {}),
  }),
}
