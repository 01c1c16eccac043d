/** The servers that tests start: where each is found, and how it is run and seen to be ready. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MINIO } from './built.ts'
import { findPart, PARTS_DIRECTORY } from './cache.ts'
import { findStandIn } from './mongo/stand-in.ts'
import { runs } from './part.ts'

export type ServerKind = 'mongo' | 'redis' | 'minio' | 'meilisearch'

interface Place {
  directory: string
  password: string
  tcpPort: number
}

interface Run {
  command: string[]
  env?: NodeJS.ProcessEnv
  url: string
  key?: string
  /** @param output what it has written since it was started */
  isReady(output: string): boolean | Promise<boolean>
}

interface Kind {
  /** Names a server to use instead. */
  variable: string
  find(): Promise<{ run(place: Place): Run } | { missing: string }>
}

const USER = 'hyper'

export const SERVERS: Record<ServerKind, Kind> = {
  mongo: {
    variable: 'HYPER_TEST_MONGO_URL',
    async find() {
      const standIn = await findStandIn()
      if ('missing' in standIn) return standIn
      return {
        run: ({ directory, password, tcpPort }) => ({
          command: [...standIn, '127.0.0.1', String(tcpPort), directory],
          env: { MONGO_INITDB_ROOT_USERNAME: USER, MONGO_INITDB_ROOT_PASSWORD: password },
          url: `mongodb://${USER}:${password}@127.0.0.1:${tcpPort}/?authSource=admin`,
          isReady: (output) => output.includes('Waiting for connections'),
        }),
      }
    },
  },
  redis: {
    variable: 'HYPER_TEST_REDIS_URL',
    async find() {
      if (!(await runs('redis-server', '--version'))) return { missing: 'no redis-server: npm run parts' }
      return {
        run: ({ directory, password, tcpPort }) => ({
          command: [
            'redis-server',
            ...['--bind', '127.0.0.1', '--port', String(tcpPort), '--requirepass', password],
            ...['--dir', directory, '--appendonly', 'yes', '--save', ''],
          ],
          url: `redis://:${password}@127.0.0.1:${tcpPort}`,
          isReady: (output) => output.includes('Ready to accept connections'),
        }),
      }
    },
  },
  minio: {
    variable: 'HYPER_TEST_S3_URL',
    async find() {
      const found = findPart(MINIO)
      if (!found) return { missing: `${MINIO} is not in the parts cache: npm run parts` }
      return {
        run: ({ directory, password, tcpPort }) => ({
          command: [join(found, 'minio'), 'server', '--address', `127.0.0.1:${tcpPort}`, directory],
          env: { MINIO_ROOT_USER: USER, MINIO_ROOT_PASSWORD: password, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
          url: `http://${USER}:${password}@127.0.0.1:${tcpPort}`,
          // Its health says ready before it knows its users; that it refuses strangers says it does.
          isReady: async () => (await statusOf(`http://127.0.0.1:${tcpPort}/`)) === 403,
        }),
      }
    },
  },
  meilisearch: {
    variable: 'HYPER_TEST_MEILISEARCH_URL',
    async find() {
      const program = await findMeilisearch()
      if (!program) return { missing: 'no meilisearch on PATH or in the parts cache, and no registry has one' }
      return {
        run: ({ directory, password, tcpPort }) => ({
          command: [
            program,
            ...['--http-addr', `127.0.0.1:${tcpPort}`, '--db-path', join(directory, 'db')],
            ...['--dump-dir', join(directory, 'dumps'), '--snapshot-dir', join(directory, 'snapshots')],
            ...['--env', 'production', '--no-analytics'],
          ],
          // By default it sets a twentieth of the machine's memory to zero for each task, which takes a second.
          env: { MEILI_MASTER_KEY: password, MEILI_MAX_INDEXING_MEMORY: '512MiB' },
          url: `http://127.0.0.1:${tcpPort}`,
          key: password,
          isReady: async () => (await statusOf(`http://127.0.0.1:${tcpPort}/health`)) === 200,
        }),
      }
    },
  },
}

/** On PATH, or put by hand into a directory of the parts cache whose name begins with `meilisearch`. */
export async function findMeilisearch(): Promise<string | undefined> {
  if (await runs('meilisearch', '--version')) return 'meilisearch'
  if (!existsSync(PARTS_DIRECTORY)) return undefined
  const newest = readdirSync(PARTS_DIRECTORY)
    .filter((name) => name.startsWith('meilisearch'))
    .sort()
    .at(-1)
  return newest && join(PARTS_DIRECTORY, newest, 'meilisearch')
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).status
  } catch {
    return undefined
  }
}
