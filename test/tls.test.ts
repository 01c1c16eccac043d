/** HTTPS: the user's own authority, whom its certificates are for, and a listener that ends as the other does. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:net'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { after, mock, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectSecurely } from 'node:tls'
import { authorityIn } from '../cli/authority.ts'
import { makeAuthority, makeServerCertificate } from '../cli/certificate.ts'
import { mayStay } from '../cli/engines/kept-certificate.ts'
import { createSandbox, type Sandbox } from '../cli/sandbox.ts'
import { certifiedNames, tlsIdentity } from '../cli/tls.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-sandbox-test-'))
after(() => rmSync(root, { recursive: true, force: true }))
process.env.HYPER_SANDBOX_HOME = join(root, 'home')

let places = 0
const newPlace = () => join(root, `place-${places++}`)

function securely(sandbox: Sandbox): NonNullable<Sandbox['https']> & { port: number; ca: string } {
  assert.ok(sandbox.https?.authorityFile)
  return {
    ...sandbox.https,
    port: Number(new URL(sandbox.https.url).port),
    ca: readFileSync(sandbox.https.authorityFile, 'utf8'),
  }
}

async function get(sandbox: Sandbox, path: string, host = '127.0.0.1'): Promise<{ status: number; body: unknown }> {
  const { port, ca } = securely(sandbox)
  const outgoing = request({
    host,
    port,
    ca,
    path,
    lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  return { status: incoming.statusCode, body: await json(incoming) }
}

// The authority

test('the authority is made once, its key for its owner only', async () => {
  const directory = newPlace()
  const first = await authorityIn(directory)
  assert.deepEqual(await authorityIn(directory), first)
  assert.equal(readFileSync(first.file, 'utf8'), first.cert)
  assert.equal(statSync(join(directory, 'authority-key.pem')).mode & 0o777, 0o600)
  assert.ok(!first.cert.includes('PRIVATE'))
  const certificate = new X509Certificate(first.cert)
  assert.equal(certificate.ca, true)
  assert.match(certificate.subject, /hyper-sandbox of .+ on /)
})

test('of ten starts at once one makes it', async () => {
  const directory = newPlace()
  const all = await Promise.all(Array.from({ length: 10 }, () => authorityIn(directory)))
  assert.equal(new Set(all.map(({ cert }) => cert)).size, 1)
})

test('it is renewed years before it ends, with the same key: who trusts the old one accepts what the new one signs', async () => {
  const directory = newPlace()
  const old = await authorityIn(directory)
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 7.9 * 365 * 24 * 3_600_000 })
  try {
    assert.equal((await authorityIn(directory)).cert, old.cert)
    mock.timers.tick(0.2 * 365 * 24 * 3_600_000)
    const renewed = await authorityIn(directory)
    assert.notEqual(renewed.cert, old.cert)
    assert.equal(renewed.key, old.key)
    const server = new X509Certificate((await makeServerCertificate(renewed, ['localhost'])).cert)
    const trusted = new X509Certificate(old.cert)
    assert.ok(server.checkIssued(trusted) && server.verify(trusted.publicKey))
    assert.ok(server.validToDate < new X509Certificate(renewed.cert).validToDate)
  } finally {
    mock.timers.reset()
  }
})

test('one that is damaged is made anew', async () => {
  const other = await makeAuthority()
  const damages: [string, string][] = [
    ['authority.pem', ''],
    ['authority.pem', 'no certificate'],
    ['authority-key.pem', other.key],
    ['authority.pem', other.cert],
  ]
  for (const [name, text] of damages) {
    const directory = newPlace()
    const before = await authorityIn(directory)
    writeFileSync(join(directory, name), text)
    const mended = await authorityIn(directory)
    assert.notEqual(mended.cert, before.cert, name)
    assert.deepEqual(await authorityIn(directory), mended)
  }
})

test('a home that cannot be written is said, with what to do', async () => {
  const file = newPlace()
  writeFileSync(file, '')
  await assert.rejects(authorityIn(join(file, 'authority')), {
    code: 'CONFIG_INVALID',
    hint: /HYPER_SANDBOX_HOME/,
  })
})

// Its certificates

test('a server’s certificate is for every name that reaches it, and browsers take it', async () => {
  const { cert } = await tlsIdentity(
    { tcpPort: 0, certificate: 'auto' },
    {
      host: '192.0.2.7',
      allowedHosts: ['*.preview.example.com', 'Shop.Example.com', 'münchen.example'],
      projectDirectory: root,
      authorityDirectory: newPlace(),
    },
  )
  const certificate = new X509Certificate(cert)
  const names = ['localhost', hostname(), 'a.preview.example.com', 'shop.example.com', 'xn--mnchen-3ya.example']
  for (const name of names) assert.ok(certificate.checkHost(name), name)
  for (const address of ['127.0.0.1', '::1', '192.0.2.7']) assert.ok(certificate.checkIP(address), address)
  for (const name of ['example.com', 'evil.example.com', 'preview.example.com'])
    assert.equal(certificate.checkHost(name), undefined)
  assert.equal(certificate.checkIP('192.0.2.8'), undefined)
  assert.equal(certificate.ca, false)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  const days = (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000
  assert.ok(days > 300 && days <= 398, `${days} days`)
})

test('listening everywhere, it is for every address of this machine', () => {
  const names = certifiedNames('0.0.0.0', [])
  assert.ok(!names.includes('0.0.0.0'))
  assert.deepEqual(new Set(names).size, names.length)
  assert.ok(['127.0.0.1', '::1', 'localhost'].every((name) => names.includes(name)))
})

test('a certificate of the user’s own is served; one that cannot be is named', async () => {
  const authority = await makeAuthority()
  const own = await makeServerCertificate(authority, ['127.0.0.1'])
  const files = { cert: join(root, 'own.pem'), key: join(root, 'own-key.pem') }
  writeFileSync(files.cert, own.cert)
  writeFileSync(files.key, own.key)
  {
    await using sandbox = await createSandbox({ services: ['data'], tls: files })
    assert.equal(sandbox.https?.authorityFile, undefined)
    const outgoing = request(`${sandbox.https?.url}/healthz`, { ca: authority.cert }).end()
    const [incoming] = await once(outgoing, 'response')
    assert.equal(incoming.statusCode, 200)
    incoming.resume()
  }
  writeFileSync(join(root, 'other-key.pem'), authority.key)
  writeFileSync(join(root, 'garbage.pem'), 'garbage')
  const wrong: [string, string, RegExp][] = [
    ['missing.pem', files.key, /listen\.tls\.cert: .*missing\.pem cannot be read/],
    [files.cert, 'missing.pem', /listen\.tls\.key: .*missing\.pem cannot be read/],
    [files.cert, join(root, 'other-key.pem'), /the key .*other-key\.pem is none, or not that of .*own\.pem/],
    [files.cert, join(root, 'garbage.pem'), /the key .*garbage\.pem is none/],
    [join(root, 'garbage.pem'), files.key, /garbage\.pem holds no PEM certificate/],
  ]
  for (const [cert, key, message] of wrong)
    await assert.rejects(createSandbox({ tls: { cert, key } }), { code: 'CONFIG_INVALID', message })
})

// The listener

test('both listeners serve the same sandbox', async () => {
  await using sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  const { connectionString, port } = securely(sandbox)
  assert.equal(connectionString, `cloud://127.0.0.1:${port}/test`)
  const headers = { 'content-type': 'application/json' }
  await fetch(`${sandbox.url}/data/test`, { method: 'POST', headers, body: '{"_id":"x"}' })
  for (const host of ['127.0.0.1', 'localhost', hostname()])
    assert.deepEqual(await get(sandbox, '/test/data/default/x', host), { status: 200, body: { _id: 'x' } }, host)
})

test('each name below localhost has a certificate of its own, which clients do not take from *.localhost', async () => {
  await using sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  for (const host of ['api.localhost', 'API.localhost', 'a.b-c.localhost', 'my_app.localhost'])
    assert.equal((await get(sandbox, '/healthz', host)).status, 200, host)
  const serial = async (servername: string) => {
    const { port, ca } = securely(sandbox)
    const socket = connectSecurely({ host: '127.0.0.1', port, ca, servername, checkServerIdentity: () => undefined })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber
  }
  const own = await serial('localhost')
  assert.equal(await serial('api.localhost'), await serial('api.localhost'))
  assert.notEqual(await serial('api.localhost'), own)
  for (const other of ['example.com', 'api.localhost.evil.com', '-.localhost', '*.localhost'])
    assert.equal(await serial(other), own, other)
})

test('with credentials both addresses carry them', async () => {
  const auth = { key: 'app', secret: 's/cret' }
  await using sandbox = await createSandbox({ services: ['data'], tls: 'auto', auth })
  const { connectionString, port } = securely(sandbox)
  assert.equal(connectionString, `cloud://app:s%2Fcret@127.0.0.1:${port}/test`)
  assert.equal(sandbox.connectionString, `${sandbox.url.replace('//', '//app:s%2Fcret@')}/test`)
  assert.equal((await get(sandbox, '/test/data/default')).status, 401)
  assert.equal((await get(sandbox, '/healthz')).status, 200)
})

test('what is no TLS is cut off, and nothing else', async () => {
  await using sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  const { port } = securely(sandbox)
  for (const bytes of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', '\0\0\0', '\x16\x03\x01\xff\xff', 'x'.repeat(100_000)]) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.end(bytes)
    socket.resume()
    await new Promise((closed) => socket.once('close', closed))
  }
  assert.equal((await get(sandbox, '/healthz')).status, 200)
})

test('what is no HTTP inside TLS gets hyper’s 400', async () => {
  await using sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  const { port, ca } = securely(sandbox)
  const socket = connectSecurely({ host: '127.0.0.1', port, ca })
  socket.write('NONSENSE\r\n\r\n')
  assert.match(await text(socket), /^HTTP\/1\.1 400 .*"ok":false/s)
})

test('closing does not wait for connections that shake no hand, ask nothing, or are kept alive', async () => {
  const sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  const { port, ca } = securely(sandbox)
  const bare = connect(port, '127.0.0.1')
  await once(bare, 'connect')
  const silent = connectSecurely({ host: '127.0.0.1', port, ca })
  await once(silent, 'secureConnect')
  const kept = connectSecurely({ host: '127.0.0.1', port, ca })
  kept.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(kept, 'data')
  const began = performance.now()
  await sandbox.close()
  assert.ok(performance.now() - began < 1_500, 'the drain limit is 2 s')
  for (const socket of [bare, silent, kept]) socket.destroy()
})

test('closing lets an open request finish', async () => {
  const sandbox = await createSandbox({ services: ['data'], tls: 'auto' })
  const { port, ca } = securely(sandbox)
  const slow = connectSecurely({ host: '127.0.0.1', port, ca })
  await once(slow, 'secureConnect')
  const body = '{"_id":"slow"}'
  slow.write(
    `POST /data/test HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  await sleep(100)
  const closing = sandbox.close()
  await sleep(100)
  slow.write(body)
  const [answer] = (await once(slow, 'data')) as [Buffer]
  assert.match(String(answer), /^HTTP\/1\.1 201 /)
  await closing
})

test('a certificate stays where its authority made it, for every name that is asked for', async () => {
  const [authority, other] = await Promise.all([makeAuthority(), makeAuthority()])
  const names = certifiedNames('127.0.0.1', ['shop.test'])
  const kept = await makeServerCertificate(authority, names)
  assert.equal(mayStay(kept, authority, names), true)
  assert.equal(mayStay(kept, other, names), false)
  assert.equal(mayStay(kept, authority, [...names, 'other.test']), false)
  assert.equal(mayStay({ ...kept, cert: 'none' }, authority, names), false)
})
