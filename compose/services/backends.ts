import type { Backend, BackendDefinition } from '../part.ts'
import { meilisearch } from './meilisearch.ts'
import { minio } from './minio.ts'
import { mongo } from './mongo.ts'
import { redis } from './redis.ts'

export const BACKENDS: Record<Backend, BackendDefinition> = { mongo, redis, minio, meilisearch }
