/**
 * `node test/acceptance/run.ts --url http://127.0.0.1:6363 [--grep text]`: the acceptance cases against any address. For an
 * `https:` one, start it with the NODE_EXTRA_CA_CERTS that `hyper-sandbox env` prints; for one in a container, with the address
 * by which containers reach this machine in HYPER_TEST_TARGET_HOST.
 */
import { test } from 'node:test'
import { parseArgs } from 'node:util'
import { registerCases } from './cases.ts'

const { values } = parseArgs({
  options: { url: { type: 'string', default: 'http://127.0.0.1:6363' }, grep: { type: 'string', default: '' } },
})
registerCases({ test, origin: () => values.url.replace(/\/$/, ''), grep: values.grep })
