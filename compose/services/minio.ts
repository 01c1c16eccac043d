/**
 * An S3 server keeps `storage`. MinIO's own images left Docker Hub in 2026: Silo is the maintained fork that reads the same
 * files, RustFS a server of another make, and MinIO's last build is still served by quay.io.
 */
import { type BackendDefinition, fromEnvFile, healthcheck } from '../part.ts'

const USER = 'hyper'
const VARIABLE = 'SANDBOX_MINIO_PASSWORD'
const PASSWORD = fromEnvFile(VARIABLE)

export const minio: BackendDefinition = {
  about: 'an S3 server keeps storage',
  images: [
    'pgsty/silo:RELEASE.2026-09-16T00-00-00Z@sha256:635197cb9f36d01bee221d34d1c7d7960f6a95c48b0b6c01d99cd13bdae51a46',
    'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z@sha256:14cea493d9a34af32f524e538b8346cf79f3321eff8e708c1e2960462bd8936e',
    'rustfs/rustfs:1.0.0@sha256:8cc9801755448b71a786705ce76692c77e14936cccd87cf2fc31842e58f4d1ff',
  ],
  formatOf: (image) => (image.includes('rustfs') ? 'rustfs' : 'minio'),
  passwordVariable: VARIABLE,
  tcpPort: 9000,
  dataDirectory: '/data',
  opens: (now, then) => now.format === then.format,
  service: ({ format }) => (format === 'rustfs' ? rustfs() : minioServer()),
  gateway: () => ({
    HYPER_SANDBOX_STORAGE_URL: 'http://minio:9000',
    HYPER_SANDBOX_STORAGE_KEY: USER,
    HYPER_SANDBOX_STORAGE_SECRET_KEY: PASSWORD,
  }),
}

const LIMITS = { mem_limit: '1g', stop_grace_period: '5s' }

const minioServer = () => ({
  command: ['server', '/data'],
  environment: { MINIO_ROOT_USER: USER, MINIO_ROOT_PASSWORD: PASSWORD, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
  // Which of the two is inside has changed from build to build.
  healthcheck: healthcheck(
    'CMD-SHELL',
    'curl -fsS http://127.0.0.1:9000/minio/health/live || mc ready local || exit 1',
  ),
  ...LIMITS,
})

const rustfs = () => ({
  environment: {
    RUSTFS_ACCESS_KEY: USER,
    RUSTFS_SECRET_KEY: PASSWORD,
    RUSTFS_VOLUMES: '/data',
    RUSTFS_ADDRESS: ':9000',
    RUSTFS_CONSOLE_ENABLE: 'false',
  },
  // Its /health/ready may stay 503 on a single node.
  healthcheck: healthcheck('CMD', 'curl', '-fsS', 'http://127.0.0.1:9000/health'),
  ...LIMITS,
})
