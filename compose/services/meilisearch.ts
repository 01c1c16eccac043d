/** Meilisearch keeps `search`. */
import { type BackendDefinition, fromEnvFile, healthcheck, versionNumbers } from '../part.ts'

const VARIABLE = 'SANDBOX_MEILISEARCH_KEY'
const KEY = fromEnvFile(VARIABLE)

export const meilisearch: BackendDefinition = {
  about: 'Meilisearch keeps search',
  images: [
    'getmeili/meilisearch:v1.53.1@sha256:8d6643d86d71fad6ad3cba92cde7ccfce9e4d6c384bda67598eb553571c32431',
    'getmeili/meilisearch:v1.53.1',
    'getmeili/meilisearch:v1.50.0',
  ],
  formatOf: () => 'meilisearch',
  passwordVariable: VARIABLE,
  tcpPort: 7700,
  dataDirectory: '/meili_data',
  // It refuses files of every other minor version, and its own conversion is not atomic.
  opens(now, then) {
    const [major, minor, patch = 0] = versionNumbers(now.version)
    const [majorThen, minorThen, patchThen = 0] = versionNumbers(then.version)
    return major === majorThen && minor === minorThen && patch >= patchThen
  },
  service: () => ({
    environment: {
      MEILI_ENV: 'production',
      MEILI_MASTER_KEY: KEY,
      MEILI_NO_ANALYTICS: 'true',
      MEILI_HTTP_ADDR: '0.0.0.0:7700',
      MEILI_DB_PATH: '/meili_data/data.ms',
      MEILI_MAX_INDEXING_MEMORY: '512MiB',
    },
    healthcheck: healthcheck('CMD', 'curl', '-fsS', 'http://127.0.0.1:7700/health'),
    mem_limit: '1536m',
    stop_grace_period: '5s',
  }),
  gateway: () => ({ HYPER_SANDBOX_SEARCH_URL: 'http://meilisearch:7700', HYPER_SANDBOX_SEARCH_KEY: KEY }),
}
