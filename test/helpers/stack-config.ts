/** A sandbox in the terms of `compose/`, for tests: all services, in a directory of its own that ends with it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StackConfig } from '../../compose/stack.ts'

export interface TestProject extends Disposable {
  config: StackConfig
}

export function testProject(changes: Partial<StackConfig> = {}): TestProject {
  const projectDirectory = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-sandbox-stack-')))
  const stateDirectory = join(projectDirectory, '.hyper-sandbox')
  mkdirSync(stateDirectory)
  const config: StackConfig = {
    name: 'stack-test',
    projectDirectory,
    stateDirectory,
    services: { data: {}, cache: {}, storage: {}, search: {}, queue: {} },
    listen: { host: '127.0.0.1', tcpPort: 6363 },
    gatewayEnvironment: { HYPER_SANDBOX_DOMAIN: 'test' },
    secrets: {
      mongo: 'secret-of-mongo',
      redis: 'secret-of-redis',
      minio: 'secret-of-minio',
      meilisearch: 'secret-of-meilisearch',
      gateway: { HYPER_SANDBOX_TOKEN: 'secret-of-the-gateway' },
    },
    images: { override: {} },
    expose: false,
    include: [],
    version: '1.2.3',
    ...changes,
  }
  return { config, [Symbol.dispose]: () => rmSync(projectDirectory, { recursive: true, force: true }) }
}
