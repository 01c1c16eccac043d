/** MongoDB keeps `data`. It has neither curl nor wget; its own shell is a Node program and slow to start, so it is asked rarely. */
import { type BackendDefinition, fromEnvFile, healthcheck, versionNumbers } from '../part.ts'

const USER = 'hyper'
const VARIABLE = 'SANDBOX_MONGO_PASSWORD'
const PASSWORD = fromEnvFile(VARIABLE)

export const mongo: BackendDefinition = {
  about: 'MongoDB keeps data',
  // Never a floating tag: `mongo:8` and `mongo:latest` stopped at a line that is no longer maintained.
  images: ['mongo:8.0.30', 'mongo:8.0'],
  formatOf: () => 'mongodb',
  versionVariable: 'MONGO_VERSION',
  passwordVariable: VARIABLE,
  tcpPort: 27017,
  dataDirectory: '/data/db',
  // Files of another major version need steps of MongoDB's own; of a newer one they cannot be opened at all.
  opens(now, then) {
    const [major, minor = 0] = versionNumbers(now.version)
    const [majorThen, minorThen = 0] = versionNumbers(then.version)
    return major === majorThen && minor >= minorThen
  },
  keepsPassword: true,
  service: () => ({
    environment: { MONGO_INITDB_ROOT_USERNAME: USER, MONGO_INITDB_ROOT_PASSWORD: PASSWORD },
    healthcheck: healthcheck('CMD', 'mongosh', '--quiet', '--eval', 'quit(db.hello().isWritablePrimary ? 0 : 1)'),
    // The image declares a second volume that nothing uses; without this each container would leave one behind.
    tmpfs: ['/data/configdb'],
    mem_limit: '1g',
    stop_grace_period: '10s',
  }),
  gateway: () => ({ HYPER_SANDBOX_DATA_URL: `mongodb://${USER}:${PASSWORD}@mongo:27017/?authSource=admin` }),
}
