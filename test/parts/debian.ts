/** Programs that Debian has packages of. */
import { type Part, runAsRoot, runs } from './part.ts'

interface Wanted {
  package: string
  command: string
  /** Makes the command say what it is and end. */
  args?: string[]
}

const WANTED: readonly Wanted[] = [
  { package: 'docker.io', command: 'dockerd', args: ['--version'] },
  { package: 'redis-server', command: 'redis-server', args: ['--version'] },
  { package: 'debootstrap', command: 'debootstrap', args: ['--version'] },
  { package: 'openjdk-17-jdk-headless', command: 'javac', args: ['-version'] },
  { package: 'maven', command: 'mvn', args: ['--version'] },
]

let isUpdated = false

export const DEBIAN_PARTS: readonly Part[] = WANTED.map(({ package: name, command, args = [] }) => ({
  name,
  version: "Debian's",
  isThere: () => runs(command, ...args),
  async get() {
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    if (!isUpdated) await runAsRoot('apt-get', ['update', '--quiet'], { env })
    isUpdated = true
    await runAsRoot('apt-get', ['install', '--quiet', '--yes', '--no-install-recommends', name], { env })
  },
}))
