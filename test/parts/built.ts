/** Parts that are built from source or brought from Maven Central, kept in the parts cache. */
import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findPart, keepPart } from './cache.ts'
import { compileLauncher, JARS, MONGO_JAVA_SERVER } from './mongo/stand-in.ts'
import { type Part, run } from './part.ts'

const COMPOSE = { version: '5.5.0', module: 'github.com/docker/compose/v5' }

/** Below it Compose lacks what the generated file needs. */
const MIN_COMPOSE = [2, 24] as const

export const MINIO = 'minio-20260212201848'
const MINIO_MODULE = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c'

/** Any Compose that is new enough stays; ours is put beside it only when there is none. */
export const compose: Part = {
  name: 'Docker Compose',
  version: COMPOSE.version,
  async isThere() {
    const said = await run('docker', ['compose', 'version', '--short']).catch(() => '')
    const [major = 0, minor = 0] = said.replace(/^v/, '').split('.').map(Number)
    return major > MIN_COMPOSE[0] || (major === MIN_COMPOSE[0] && minor >= MIN_COMPOSE[1])
  },
  async get() {
    const built = await keepPart(`compose-${COMPOSE.version}`, buildCompose)
    const plugins = join(process.env.DOCKER_CONFIG || join(homedir(), '.docker'), 'cli-plugins')
    mkdirSync(plugins, { recursive: true })
    const unfinished = join(plugins, `.docker-compose-${process.pid}`)
    copyFileSync(join(built, 'docker-compose'), unfinished)
    renameSync(unfinished, join(plugins, 'docker-compose'))
  },
}

/** `go install` refuses it for the exclusions in its go.mod, so a module of our own asks for it. */
async function buildCompose(directory: string): Promise<void> {
  const { version, module } = COMPOSE
  const go = (...args: string[]) => run('go', args, { cwd: directory, env: { GOFLAGS: '-buildvcs=false' } })
  await go('mod', 'init', 'compose')
  await go('get', `${module}@v${version}`, `${module}/cmd@v${version}`)
  const flags = `-s -w -X ${module}/internal.Version=v${version}`
  await go('build', '-trimpath', '-ldflags', flags, '-o', 'docker-compose', `${module}/cmd`)
}

export const minio: Part = {
  name: 'MinIO',
  version: MINIO.replace('minio-', ''),
  instead: ['HYPER_TEST_S3_URL', 'HYPER_TEST_IMAGES'],
  isThere: async () => findPart(MINIO) !== undefined,
  async get() {
    await keepPart(MINIO, async (directory) => {
      await run('go', ['install', '-trimpath', '-ldflags', '-s -w', MINIO_MODULE], { env: { GOBIN: directory } })
    })
  },
}

export const mongo: Part = {
  name: "MongoDB's stand-in",
  version: MONGO_JAVA_SERVER.version,
  instead: ['HYPER_TEST_MONGO_URL', 'HYPER_TEST_IMAGES'],
  isThere: async () => findPart(JARS) !== undefined,
  async get() {
    const jars = await keepPart(JARS, async (directory) => {
      const pom = join(directory, 'pom.xml')
      writeFileSync(pom, pomOf(MONGO_JAVA_SERVER))
      await run('mvn', [
        ...['--quiet', '--batch-mode', '--file', pom],
        ...['dependency:copy-dependencies', `-DoutputDirectory=${directory}`, '-DincludeScope=runtime'],
      ])
      if (!existsSync(join(directory, `mongo-java-server-${MONGO_JAVA_SERVER.version}.jar`))) {
        throw new Error('Maven brought no mongo-java-server')
      }
    })
    await compileLauncher(jars)
  },
}

function pomOf({ group, version, artifacts }: typeof MONGO_JAVA_SERVER): string {
  const dependencies = artifacts.map(
    (artifact) => `    <dependency>
      <groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
    </dependency>`,
  )
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hyper-sandbox</groupId><artifactId>mongo-stand-in</artifactId><version>1</version>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
