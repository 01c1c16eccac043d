import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { accepts, eventually, get, post, type Started, slowStart, TestProject, test } from './helpers/cli.ts'

const linux = { skip: process.platform === 'linux' ? false : 'looks into /proc' }
async function foreground(project: TestProject, ...args: string[]): Promise<Started> {
  const up = project.start(['up', '--data', '--port', '0', ...args])
  await up.says('Ctrl-C stops it')
  return up
}

for (const [signal, expected] of [
  ['SIGINT', 130],
  ['SIGTERM', 0],
  ['SIGHUP', 0],
] as const) {
  test(`${signal} ends the sandbox in order, with ${expected}`, async () => {
    await using project = new TestProject()
    const up = await foreground(project)
    const { tcpPort } = project.state()
    up.child.kill(signal)
    assert.deepEqual([(await up.ended).code, (await up.ended).signal], [expected, null])
    assert.equal(await accepts(tcpPort), false)
    assert.equal(project.hasState(), false)
    assert.match((await project.run(['logs'])).stdout, /stopped/)
  })
}

test('Ctrl-C lets a request that is under way finish; the same press passed on twice does not cut it', async () => {
  await using project = new TestProject()
  const up = await foreground(project)
  const { tcpPort } = project.state()
  const answer = slowRequest(tcpPort)
  await answer.begun
  up.child.kill('SIGINT')
  for (const pauseMs of [50, 100]) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    up.child.kill('SIGINT')
  }
  await new Promise((resolve) => setTimeout(resolve, 200))
  answer.finish()
  assert.match(await answer.received, /^HTTP\/1\.1 201/)
  assert.equal((await up.ended).code, 130)
})

test('a second Ctrl-C ends at once what the first one waits for', async () => {
  await using project = new TestProject()
  const up = await foreground(project, '--ephemeral')
  const { tcpPort, dataDirectory } = project.state()
  const answer = slowRequest(tcpPort)
  await answer.begun
  up.child.kill('SIGINT')
  await new Promise((resolve) => setTimeout(resolve, 700))
  up.child.kill('SIGINT')
  assert.equal((await up.ended).code, 130)
  assert.doesNotMatch((await project.run(['logs'])).stdout, /stopped/, 'the graceful end was not waited for')
  assert.equal(existsSync(dataDirectory), false)
  assert.equal(project.hasState(), false)
})

test('after kill -9 the next up starts as if nothing had happened, with all that was acknowledged', async () => {
  await using project = new TestProject()
  for (const round of [1, 2, 3]) {
    const run = await project.up('--data')
    assert.equal(await post(`${run.url}/data/test`, { _id: `round-${round}` }), 201)
    process.kill(run.pid, 'SIGKILL')
    await eventually('the port is free', async () => !(await accepts(run.tcpPort)))
    assert.equal((await project.run(['status'])).code, 7, 'state.json alone proves nothing')
  }
  const run = await project.up()
  for (const round of [1, 2, 3]) assert.equal(await get(`${run.url}/data/test/round-${round}`), 200)
  await project.down()
})

test('a stuck sandbox is not running well, and down ends it by force', async () => {
  await using project = new TestProject()
  const run = await project.up('--data')
  process.kill(run.pid, 'SIGSTOP')
  const status = await project.json(['status'])
  assert.deepEqual(
    [status.code, status.data.ready, (status.data.services as { data: string }).data],
    [0, false, 'unavailable'],
  )
  const { code, data } = await project.json(['down', '--timeout', '0.3s'])
  assert.deepEqual([code, data.stopped, data.forced], [0, true, true])
})

test('what a dead run wrote down is not believed: its process id is left alone', linux, async () => {
  await using project = new TestProject()
  const run = await project.up()
  const state = { ...project.state(), pid: process.pid }
  await project.down()
  project.write('.hyper-sandbox/state.json', JSON.stringify(state))
  const down = await project.run(['down'])
  assert.equal(down.code, 0)
  assert.match(down.stderr, /nothing was running/)
  assert.equal((await project.up()).tcpPort, run.tcpPort)
  await project.down()
})

test('Ctrl-C while up --detach waits stops what it started; so does its end', async () => {
  await using project = new TestProject()
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const) {
    const up = project.start(['up', '--detach', '--port', '0', '--data'], {
      env: { NODE_OPTIONS: slowStart(project, 20_000) },
    })
    await eventually('the sandbox is starting', () => project.hasState())
    up.child.kill(signal)
    const ended = await up.ended
    assert.equal(ended.code, expected, ended.stderr)
    await eventually('the sandbox is gone', () => !project.hasState())
  }
})

test('a start that takes longer than --timeout ends with 6, and is stopped', async () => {
  await using project = new TestProject()
  for (const form of [['--detach'], []]) {
    const { code, error } = await project.json(['up', ...form, '--port', '0', '--timeout', '0.2s'], {
      env: { NODE_OPTIONS: slowStart(project, 20_000) },
    })
    assert.equal(code, 6)
    assert.equal(error?.code, 'NOT_READY')
    assert.equal(project.hasState(), false)
  }
})

test('a sandbox that dies while it starts is reported with its last words', async () => {
  await using project = new TestProject()
  project.write('die.mjs', "if (process.argv.includes('_detached')) { console.error('last words'); process.exit(9) }")
  const { code, stderr } = await project.run(['up', '--detach', '--port', '0'], {
    env: { NODE_OPTIONS: `--import=${project.file('die.mjs')}` },
  })
  assert.equal(code, 1)
  assert.match(stderr, /ended while starting \(exit code 9\):\nlast words/)
  assert.match(stderr, /sandbox\.log/)
})

/** A document sent in two parts, the second when told. */
function slowRequest(tcpPort: number) {
  const body = JSON.stringify({ _id: 'slow' })
  const socket = connect(tcpPort, '127.0.0.1')
  let text = ''
  socket.on('error', () => {})
  const received = new Promise<string>((resolve) => {
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    socket.once('close', () => resolve(text))
  })
  const begun = new Promise<void>((resolve) => {
    const head = `POST /data/test HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`
    socket.once('connect', () => socket.write(head))
    socket.once('data', () => resolve())
  })
  return {
    begun,
    received: received.then((all) => all.replace('HTTP/1.1 100 Continue\r\n\r\n', '')),
    finish: () => socket.write(body),
  }
}
