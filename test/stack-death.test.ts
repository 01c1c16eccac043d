/** What is said of a container that died: its name, its exit code, its last words, why, and what to try. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Death, explainDeath } from '../compose/death.ts'
import { explainFailure } from '../compose/docker-compose.ts'

const death = (changes: Partial<Death>): Death => ({
  part: 'mongo',
  exitCode: 1,
  oomKilled: false,
  lines: [],
  ...changes,
})

/** Lines as the servers write them. */
const CASES: [what: string, death: Death, message: RegExp, hint: RegExp][] = [
  ['no AVX', death({ exitCode: 132 }), /mongo ended with exit code 132: .*AVX/, /--engine embedded/],
  [
    'memory',
    death({ exitCode: 137, oomKilled: true }),
    /needed more memory than its limit/,
    /url: .*--engine embedded/,
  ],
  ['killed', death({ exitCode: 137 }), /exit code 137: it was killed/, /hyper-sandbox up/],
  [
    'architecture',
    death({ part: 'redis', exitCode: 1, lines: ['exec /usr/local/bin/docker-entrypoint.sh: exec format error'] }),
    /redis .*: its image is for another processor/,
    /images:/,
  ],
  [
    'MongoDB format',
    death({
      exitCode: 62,
      lines: [
        '{"msg":"Wrong mongod version","attr":{"error":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion"}}',
      ],
    }),
    /data is of another version/,
    /version that wrote it.*down --volumes/,
  ],
  [
    'Meilisearch format',
    death({
      part: 'meilisearch',
      lines: ['Your database version (1.50.0) is incompatible with your current engine version (1.53.1).'],
    }),
    /data is of another version/,
    /down --volumes/,
  ],
  [
    'Redis format',
    death({ part: 'redis', lines: ["# Can't handle RDB format version 12"] }),
    /another version/,
    /images:/,
  ],
  [
    'disk',
    death({ part: 'minio', lines: ['write /data/x: no space left on device'] }),
    /the disk is full/,
    /docker system df/,
  ],
  [
    'rights',
    death({ part: 'minio', lines: ['mkdir /data/.minio.sys: Permission denied'] }),
    /may not use its files/,
    /down/,
  ],
  ['nothing known', death({ part: 'gateway', exitCode: 8 }), /^gateway ended with exit code 8$/, /hyper-sandbox logs/],
]

test('each death is explained by what it left', () => {
  for (const [what, left, message, hint] of CASES) {
    const error = explainDeath(left)
    assert.match(error.message, message, what)
    assert.match(error.hint ?? '', hint, what)
    assert.equal(error.code, 'BACKEND_UNAVAILABLE')
    assert.deepEqual(error.meta, { part: left.part, exitCode: left.exitCode, oomKilled: left.oomKilled })
    for (const line of left.lines) assert.ok(error.message.includes(line), what)
  }
})

/** As Docker writes it on Linux, with and without its proxy, and on Windows. */
const IN_USE = [
  'Error response from daemon: driver failed programming external connectivity on endpoint x-gateway-1 (4f): Bind for 127.0.0.1:6363 failed: port is already allocated',
  'Error response from daemon: driver failed programming external connectivity on endpoint x-gateway-1 (4f): Error starting userland proxy: listen tcp4 127.0.0.1:6363: bind: address already in use',
  'Error response from daemon: failed to set up container networking: driver failed programming external connectivity on endpoint x: failed to bind host port for 127.0.0.1:6363:172.18.0.5:6363/tcp: address already in use',
  'Error response from daemon: Ports are not available: exposing port TCP 127.0.0.1:6363 -> 0.0.0.0:0: listen tcp 127.0.0.1:6363: bind: An attempt was made to access a socket in a way forbidden by its access permissions.',
]

test('an address that Docker cannot have is said to be in use, with its TCP port', () => {
  for (const line of IN_USE) {
    const error = explainFailure(`Container x-gateway-1 Starting\n${line}`, [])
    assert.equal(error.code, 'ADDRESS_IN_USE')
    assert.equal(error.meta?.tcpPort, 6363)
    assert.match(error.hint ?? '', /--port 0/)
  }
})

test('a failure of Compose is told by its own line, a mistake in a file by the file', () => {
  const full = explainFailure('Container a Creating\nError: write /x: no space left on device', [])
  assert.equal(full.code, 'BACKEND_UNAVAILABLE')
  assert.match(full.message, /disk space/)
  const files = ['/a.yaml', '/b.yaml']
  const blamed = explainFailure("validating /b.yaml: services.web additional properties 'imag' not allowed", files)
  assert.equal(blamed.code, 'CONFIG_INVALID')
  assert.match(blamed.message, /^\/b\.yaml: /)
  const conflict = explainFailure('services.mongo conflicts with imported resource', files)
  assert.equal(conflict.code, 'CONFIG_INVALID')
  assert.match(conflict.hint ?? '', /other names/)
  const other = explainFailure('Container a Creating\nError response from daemon: something new', [])
  assert.match(other.message, /Docker Compose failed: Error response from daemon: something new/)
})
