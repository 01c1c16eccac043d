/** hyper-connect's credentials, asked for by the gateway (hyper-api §9.5, design §11). */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, mock, test } from 'node:test'
import { connect } from 'hyper-connect'
import { createSandbox } from '../cli/sandbox.ts'
import { hangUp, refuses, send, sendRaw } from './acceptance/http.ts'

const AUTH = { key: 'app-key', secret: 'a secret of some length' }
const sandbox = await createSandbox({ auth: AUTH })
after(async () => {
  hangUp()
  await sandbox.close()
})

const inMinutes = (minutes: number) => Math.floor(Date.now() / 1_000) + minutes * 60

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

interface Forgery {
  secret?: string
  header?: object
  hash?: string
}

/** A token as hyper-connect makes it, but for what is said otherwise. */
function tokenOf(claims: object = {}, { secret = AUTH.secret, header = {}, hash = 'sha256' }: Forgery = {}): string {
  const signed = `${encode({ alg: 'HS256', ...header })}.${encode({ sub: AUTH.key, exp: inMinutes(10), ...claims })}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

async function statusWith(authorization: string | string[], path = '/data/test'): Promise<number> {
  return (await send('GET', `${sandbox.url}${path}`, { headers: { authorization } })).status
}

test('a token of the key and the secret is let through, the scheme in any case', async () => {
  const token = tokenOf()
  assert.equal(await statusWith(`Bearer ${token}`), 200)
  assert.equal(await statusWith(`bearer ${token}`), 200)
})

const ASKED = [
  ['GET', '/'],
  ['GET', '/data'],
  ['GET', '/DATA/'],
  ['GET', '/cache'],
  ['GET', '/data/test'],
  ['HEAD', '/data/test'],
  ['GET', '/data/test/x'],
  ['PUT', '/data/new'],
  ['POST', '/data/test'],
  ['DELETE', '/data/test'],
  ['POST', '/data/test/_query'],
  ['GET', '/cache/test/k'],
  ['PUT', '/cache/test/k'],
  ['DELETE', '/cache/test'],
  ['GET', '/test/data/default'],
  ['PUT', '/new/cache/shelf'],
  ['POST', '/test/cache/default/_query'],
] as const

test('every route of the API asks for one, in both structures, and does nothing without', async () => {
  for (const [method, path] of ASKED) {
    const reply = await send(method, `${sandbox.url}${path}`, method === 'GET' || method === 'HEAD' ? {} : { json: {} })
    const what = `${method} ${path}`
    assert.equal(reply.headers['www-authenticate'], 'Bearer', what)
    assert.equal(reply.headers['access-control-allow-origin'], '*', what)
    if (method === 'HEAD') assert.equal(reply.status, 401, what)
    else refuses(reply, 401, 'not authorized')
  }
  const headers = { authorization: `Bearer ${tokenOf()}` }
  const stores = await send('GET', `${sandbox.url}/data/new`, { headers })
  refuses(stores, 404)
  assert.equal((await send('GET', `${sandbox.url}/data/test`, { headers })).status, 200)
})

test('a service that does not run asks first, too', async () => {
  await using partial = await createSandbox({ services: ['cache'], auth: AUTH })
  refuses(await send('GET', `${partial.url}/data/test`), 401, 'not authorized')
  const headers = { authorization: `Bearer ${tokenOf()}` }
  refuses(await send('GET', `${partial.url}/data/test`, { headers }), 503)
})

test('health, metrics, documentation and preflights ask for nothing, administration for its own', async () => {
  for (const path of ['/health', '/healthz', '/readyz', '/metrics', '/docs', '/openapi.json'])
    assert.equal((await send('GET', `${sandbox.url}${path}`)).status, 200, path)
  assert.equal((await send('OPTIONS', `${sandbox.url}/data/test`)).status, 204)
  const purge = (headers: Record<string, string>) =>
    send('POST', `${sandbox.url}/_sandbox/purge`, { headers, json: { domain: 'nothing' } })
  assert.equal((await purge({})).status, 200)
  const foreign = { 'x-forwarded-for': '10.0.0.1' }
  refuses(await purge({ ...foreign, authorization: `Bearer ${tokenOf()}` }), 401, /token/)
})

test('any other header is 401', async () => {
  const token = tokenOf()
  const [head = '', claims = '', signature = ''] = token.split('.')
  const other = tokenOf({ sub: 'other' })
  const wrong: Record<string, string> = {
    'the literal null': 'null',
    'no token': 'Bearer',
    'an empty token': 'Bearer ',
    'no scheme': token,
    'another scheme': `Basic ${Buffer.from(`${AUTH.key}:${AUTH.secret}`).toString('base64')}`,
    'a word': 'Bearer token',
    'the secret': `Bearer ${AUTH.secret}`,
    'two tokens': `Bearer ${token} ${token}`,
    'two headers': `Bearer ${token}, Bearer ${token}`,
    'two parts': `Bearer ${head}.${claims}`,
    'four parts': `Bearer ${token}.${signature}`,
    'no signature': `Bearer ${head}.${claims}.`,
    'a shortened signature': `Bearer ${token.slice(0, -4)}`,
    'an altered signature': `Bearer ${head}.${claims}.${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`,
    'altered claims': `Bearer ${head}.${encode({ sub: AUTH.key, exp: inMinutes(20) })}.${signature}`,
    "another token's claims": `Bearer ${head}.${other.split('.')[1]}.${signature}`,
    'claims that are no JSON': `Bearer ${head}.${Buffer.from('{').toString('base64url')}.${signature}`,
    'another secret': `Bearer ${tokenOf({}, { secret: 'another secret' })}`,
    'the key as secret': `Bearer ${tokenOf({}, { secret: AUTH.key })}`,
    'another key': `Bearer ${other}`,
    'no key': `Bearer ${tokenOf({ sub: undefined })}`,
    'an empty key': `Bearer ${tokenOf({ sub: '' })}`,
    'no expiry': `Bearer ${tokenOf({ exp: undefined })}`,
    'an expiry in the past': `Bearer ${tokenOf({ exp: inMinutes(-1) })}`,
    'not valid yet': `Bearer ${tokenOf({ nbf: inMinutes(1) })}`,
    'a demand that we do not know': `Bearer ${tokenOf({}, { header: { crit: ['x'], x: 1 } })}`,
    HS384: `Bearer ${tokenOf({}, { header: { alg: 'HS384' }, hash: 'sha384' })}`,
    HS512: `Bearer ${tokenOf({}, { header: { alg: 'HS512' }, hash: 'sha512' })}`,
    'the algorithm none': `Bearer ${encode({ alg: 'none' })}.${claims}.`,
    'the algorithm none with a signature': `Bearer ${tokenOf({}, { header: { alg: 'none' } })}`,
    'no algorithm': `Bearer ${tokenOf({}, { header: { alg: undefined } })}`,
    '10 KB': `Bearer ${'a'.repeat(10_000)}`,
  }
  for (const [what, authorization] of Object.entries(wrong)) {
    const reply = await send('GET', `${sandbox.url}/data/test`, { headers: { authorization } })
    assert.deepEqual([reply.status, reply.text], [401, '{"ok":false,"status":401,"msg":"not authorized"}'], what)
  }
  // After all that the right one still passes, and one in the query does not count.
  assert.equal(await statusWith(`Bearer ${token}`), 200)
  assert.equal((await send('GET', `${sandbox.url}/data/test?access_token=${token}`)).status, 401)
})

test('two Authorization headers are 401, though one of them is right', async () => {
  const header = `Authorization: Bearer ${tokenOf()}\r\n`
  for (const headers of [
    header + header,
    `Authorization: Bearer x\r\n${header}`,
    `${header}Authorization: Bearer x\r\n`,
  ]) {
    const answer = await sendRaw(sandbox.url, `GET /data HTTP/1.1\r\nHost: a\r\n${headers}Connection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 401 /)
  }
})

test('a token that was let through is not once it has expired', async () => {
  const token = tokenOf({ exp: inMinutes(10) })
  assert.equal(await statusWith(`Bearer ${token}`), 200)
  assert.equal(await statusWith(`Bearer ${token}`), 200)
  mock.timers.enable({ apis: ['Date'], now: inMinutes(10) * 1_000 + 1 })
  try {
    assert.equal(await statusWith(`Bearer ${token}`), 401)
  } finally {
    mock.timers.reset()
  }
})

test('a body that comes without a token is not stored, and the connection serves the next request', async () => {
  const body = JSON.stringify({ _id: 'smuggled', pad: 'x'.repeat(100_000) })
  refuses(await send('POST', `${sandbox.url}/data/test`, { body }), 401)
  const { data } = connect(sandbox.connectionString)
  assert.equal((await data.get('smuggled')).status, 404)
})

test('key and secret of any characters, written into the address as URLs ask or as they may stand (§9.5)', async () => {
  const values = ['s/cret', 'p@ss:word?#', '100%', 'a%2Fb', "it's (fine)!*", 'ünï☃', 'a b+c&d=e', '[]{}|^~`$,;']
  for (const value of values) {
    await using own = await createSandbox({ services: ['data'], auth: { key: value, secret: value } })
    const loose = new URL(`${own.url}/test`)
    loose.username = value
    loose.password = value
    const lower = own.connectionString.replace(/%../g, (octet) => octet.toLowerCase())
    for (const address of new Set([own.connectionString, loose.href, lower]))
      assert.equal((await connect(address).data.list()).ok, true, address)
    assert.equal((await connect(own.connectionString.replace('@', 'x@')).data.list()).status, 401)
  }
})

test('without credentials any header is accepted', async () => {
  await using open = await createSandbox({ services: ['data'] })
  for (const authorization of ['null', 'Bearer a.b.c', 'Basic eDp5'])
    assert.equal((await send('GET', `${open.url}/data/test`, { headers: { authorization } })).status, 200)
})
