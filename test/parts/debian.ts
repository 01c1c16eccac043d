/** Programs that Debian has packages of. */
import { engineVersion } from './engine.ts'
import { type Part, runAsRoot, runs } from './part.ts'

interface Wanted {
  package: string
  command: string
  /** Makes the command say what it is and end. */
  args: readonly string[]
  instead?: readonly string[]
}

const MONGO = ['HYPER_TEST_MONGO_URL', 'HYPER_TEST_IMAGES']

const WANTED: readonly Wanted[] = [
  { package: 'redis-server', command: 'redis-server', args: ['--version'], instead: ['HYPER_TEST_REDIS_URL'] },
  { package: 'debootstrap', command: 'debootstrap', args: ['--version'], instead: ['HYPER_TEST_IMAGES'] },
  { package: 'openjdk-17-jdk-headless', command: 'javac', args: ['-version'], instead: MONGO },
  { package: 'maven', command: 'mvn', args: ['--version'], instead: MONGO },
]

let isUpdated = false

/** An engine that answers will do, wherever it is from. */
const docker: Part = {
  name: 'docker.io',
  version: "Debian's",
  isThere: async () => (await engineVersion()) !== undefined || (await runs('dockerd', '--version')),
  get: () => install('docker.io'),
}

const others = WANTED.map(({ package: name, command, args, instead = [] }) => ({
  name,
  version: "Debian's",
  instead,
  isThere: () => runs(command, ...args),
  get: () => install(name),
}))

export const DEBIAN_PARTS: readonly Part[] = [docker, ...others]

async function install(name: string): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if (!isUpdated) await runAsRoot('apt-get', ['update', '--quiet'], { env })
  isUpdated = true
  await runAsRoot('apt-get', ['install', '--quiet', '--yes', '--no-install-recommends', name], { env })
}
