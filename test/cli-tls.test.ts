/** `up --tls`: two addresses, told wherever one was. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { accepts, TestProject, test } from './helpers/cli.ts'

interface Https {
  url: string
  tcpPort: number
  authorityFile: string
}

async function upWithTls(project: TestProject, ...args: string[]): Promise<{ tcpPort: number; https: Https }> {
  return (await project.up('--tls', ...args)) as unknown as { tcpPort: number; https: Https }
}

async function status({ url, authorityFile }: Https): Promise<number> {
  const outgoing = request(`${url}/readyz`, { ca: readFileSync(authorityFile), agent: false }).end()
  const [incoming] = await once(outgoing, 'response')
  incoming.resume()
  return incoming.statusCode
}

/** A TCP port that is free, as are the two beside it; none that the system gives to somebody meanwhile. */
async function freeTcpPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + randomInt(10_000)
    const taken = await Promise.all([port - 1, port, port + 1].map(accepts))
    if (!taken.includes(true)) return port
  }
}

test('up --tls serves HTTPS too, and every command says where', async () => {
  await using project = new TestProject()
  const { https } = await upWithTls(project, '--data')
  assert.equal(await status(https), 200)
  const [{ data: shown }, { data: listed }, { data: env }] = await Promise.all([
    project.json(['status']),
    project.json(['list']),
    project.json(['env']),
  ])
  assert.deepEqual(shown.https, https)
  assert.equal((listed.sandboxes as { https: string }[])[0]?.https, https.url)
  assert.deepEqual(
    [env.HYPER_CLOUD, env.NODE_EXTRA_CA_CERTS],
    [`${https.url.replace('https:', 'cloud:')}/test`, https.authorityFile],
  )
  assert.match((await project.run(['status'])).stdout, new RegExp(`https +${https.url}`))
  const again = await project.run(['up', '--tls', '--detach'])
  assert.match(again.stderr, new RegExp(`https +${https.url}`))
  await project.down()
  assert.equal(await accepts(https.tcpPort), false)
})

test('with --port 0 both addresses are free ones, remembered; the authority is the same one', async () => {
  await using project = new TestProject()
  const first = await upWithTls(project)
  const authority = readFileSync(first.https.authorityFile, 'utf8')
  assert.equal((await project.run(['restart'])).code, 0)
  const { https: again } = project.state() as unknown as { https: Https }
  assert.deepEqual(again, first.https)
  assert.equal(readFileSync(again.authorityFile, 'utf8'), authority)
  assert.equal(await status(again), 200)
  await project.down()
  // One that is taken meanwhile costs only itself.
  const holder = createServer().listen(first.https.tcpPort, '127.0.0.1')
  await once(holder, 'listening')
  const other = await upWithTls(project)
  assert.equal(other.tcpPort, first.tcpPort)
  assert.notEqual(other.https.tcpPort, first.https.tcpPort)
  holder.close()
  await project.down()
})

test('HTTPS has the TCP port after the other; where that is taken, up ends with 5 and names the holder', async () => {
  await using project = new TestProject()
  await using other = new TestProject(project)
  assert.deepEqual((await project.json(['config', '--tls'])).data.listen, {
    host: '127.0.0.1',
    port: 6363,
    tls: { certificate: 'auto', port: 6364 },
    allowed_hosts: [],
    allowed_origins: [],
  })
  const tcpPort = await freeTcpPort()
  project.write('hyper-sandbox.yaml', `listen: { port: ${tcpPort}, tls: auto }\n`)
  const started = await project.run(['up', '--detach'])
  assert.equal(started.code, 0, started.stderr)
  const { https } = project.state() as unknown as { https: Https }
  assert.equal(https.tcpPort, tcpPort + 1)

  const taken = await other.json(['up', '--tls', '--port', String(tcpPort - 1)])
  assert.equal(taken.code, 5, taken.error?.message)
  assert.match(taken.error?.message ?? '', new RegExp(`127\\.0\\.0\\.1:${tcpPort} is already in use, by the sandbox`))
  const plain = await other.json(['up', '--port', String(tcpPort + 1)])
  assert.equal(plain.code, 5)
  assert.match(plain.error?.message ?? '', /by the sandbox project-/)
  assert.equal(await accepts(tcpPort - 1), false, 'the other address is given up again')
  await project.down()
})

test('a running sandbox without HTTPS says how to get it', async () => {
  await using project = new TestProject()
  await project.up()
  const { stderr } = await project.run(['up', '--tls', '--detach'])
  assert.match(stderr, /it serves no HTTPS: to change that, hyper-sandbox down, then up --tls/)
  await project.down()
})

test('two first starts of a user at once share one authority', async () => {
  await using project = new TestProject()
  await using other = new TestProject(project)
  const [a, b] = await Promise.all([upWithTls(project), upWithTls(other)])
  assert.equal(a.https.authorityFile, b.https.authorityFile)
  assert.deepEqual([await status(a.https), await status(b.https)], [200, 200])
  await project.down()
  await other.down()
})

test('a project file that says it wrong is told what is right', async () => {
  await using project = new TestProject()
  const cases: [string, string][] = [
    ['tls: yes', 'listen.tls must be auto or { cert: …, key: … }'],
    ['tls: { cert: a.pem }', 'listen.tls.key must be string'],
    ['tls: { cert: a.pem, kye: b.pem }', "unknown key 'listen.tls.kye' (did you mean 'key'?)"],
  ]
  for (const [line, message] of cases) {
    project.write('hyper-sandbox.yaml', `listen:\n  ${line}\n`)
    const { code, error } = await project.json(['config'])
    assert.deepEqual([code, error?.message], [8, `hyper-sandbox.yaml:2: ${message}`])
  }
  project.write('hyper-sandbox.yaml', 'listen: { tls: { cert: a.pem, key: b.pem } }\n')
  const { code, error } = await project.json(['up', '--port', '0'])
  assert.equal(code, 8)
  assert.match(error?.message ?? '', /listen\.tls\.cert: a\.pem cannot be read/)
})
