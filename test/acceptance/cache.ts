/** hyper-api §§1.10, 2.4, 5: cache stores, keys, times to live and listing. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Domain, inDomain, inEmptyDomain, onSite } from './case.ts'
import { answers, type Reply, refuses } from './http.ts'

const LIFE_MS = 400

function keys(reply: Reply): string[] {
  assert.equal(reply.status, 200, reply.text)
  const { ok, docs } = reply.json() as { ok: boolean; docs: { key: string; value: object }[] }
  assert.equal(ok, true)
  for (const doc of docs) assert.deepEqual(Object.keys(doc).sort(), ['key', 'value'])
  return docs.map(({ key }) => key)
}

function put({ onCache }: Domain, key: string, more: object = {}): Promise<Reply> {
  return onCache('POST', '', { json: { key, value: { n: 1 }, ...more } })
}

async function stays(domain: Domain, key: string): Promise<void> {
  await sleep(LIFE_MS + 50)
  assert.equal((await domain.onCache('GET', `/${key}`)).status, 200, key)
}

async function goes(domain: Domain, key: string, waitMs = LIFE_MS + 50): Promise<void> {
  await sleep(waitMs)
  refuses(await domain.onCache('GET', `/${key}`), 404, 'document not found')
}

const BAD_KEYS = ['Abc', '1abc', 'a:b', 'a.b', 'a b', '_a', '-a', 'ä', 'a*', 'a%', "a'b", 'a"b']
const BAD_NAMES = ['_a', '-a', '~a', 'a b', 'a.b', 'a/b', 'ä', 'a"b', "a'b", '..', '.', 'a+b', 'a$b']

export const cacheCases = [
  // Stores

  ...inEmptyDomain('hyper-api 1.10 C1: PUT makes a store', async ({ onCache }) => {
    answers(await onCache('PUT'), 201, { ok: true })
    answers(await onCache('GET', '/_query?pattern=*'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 1.10 C1, design 8: making a store twice is 409', async (domain) => {
    await put(domain, 'k')
    refuses(await domain.onCache('PUT'), 409, 'cache already exists')
    assert.equal((await domain.onCache('GET', '/k')).status, 200)
  }),
  ...inEmptyDomain('hyper-api 1.6, 1.10 C1: the body of PUT store is ignored', async ({ onCache }) => {
    answers(await onCache('PUT', '', { headers: { 'content-type': 'application/json' }, body: '{bad' }), 201, {
      ok: true,
    })
  }),
  ...inDomain('hyper-api 1.10 C2: DELETE removes the store and its keys', async (domain) => {
    await put(domain, 'k')
    answers(await domain.onCache('DELETE'), 200, { ok: true })
    refuses(await domain.onCache('GET', '/k'), 404, 'cache not found')
    await domain.onCache('PUT')
    refuses(await domain.onCache('GET', '/k'), 404, 'document not found')
  }),
  ...inEmptyDomain('hyper-api 1.10, 12.2 B20: every call on a missing store is 404', async ({ onCache }) => {
    refuses(await onCache('DELETE'), 404, 'cache not found')
    refuses(await onCache('GET', '/_query?pattern=*'), 404, 'cache not found')
    refuses(await onCache('POST', '/_query'), 404, 'cache not found')
    refuses(await onCache('POST', '', { json: { key: 'k', value: {} } }), 404, 'cache not found')
    refuses(await onCache('GET', '/k'), 404, 'cache not found')
    refuses(await onCache('PUT', '/k', { json: {} }), 404, 'cache not found')
    refuses(await onCache('DELETE', '/k'), 404, 'cache not found')
  }),
  ...onSite('hyper-api 2.4, 12.1 B5: a bad store name is 422 on every operation', async ({ send }) => {
    for (const name of BAD_NAMES) {
      const at = `/cache/${encodeURIComponent(name).replaceAll('.', '%2E')}`
      const msg = 'name is not valid'
      refuses(await send('PUT', at), 422, msg)
      refuses(await send('DELETE', at), 422, msg)
      refuses(await send('GET', `${at}/_query?pattern=*`), 422, msg)
      refuses(await send('POST', at, { json: { key: 'k', value: {} } }), 422, msg)
      refuses(await send('GET', `${at}/k`), 422, msg)
      refuses(await send('PUT', `${at}/k`, { json: {} }), 422, msg)
      refuses(await send('DELETE', `${at}/k`), 422, msg)
    }
  }),
  ...onSite('hyper-api 2.4, corners 18 and 46: PUT lowercases the name, DELETE does not', async ({ send, fresh }) => {
    const lower = fresh()
    const upper = lower.toUpperCase()
    answers(await send('PUT', `/cache/${upper}`), 201, { ok: true })
    refuses(await send('PUT', `/cache/${lower}`), 409, 'cache already exists')
    answers(await send('POST', `/cache/${lower}`, { json: { key: 'k', value: { n: 1 } } }), 201, { ok: true })
    refuses(await send('DELETE', `/cache/${upper}`), 422, 'name is not valid')
    refuses(await send('GET', `/cache/${upper}/_query?pattern=*`), 422, 'name is not valid')
    answers(await send('DELETE', `/cache/${lower}`), 200, { ok: true })
  }),
  ...onSite('hyper-api 11 corner 18: key operations accept the name in another case', async ({ send, fresh }) => {
    const lower = fresh()
    await send('PUT', `/cache/${lower}`)
    await send('POST', `/cache/${lower}`, { json: { key: 'k', value: { n: 1 } } })
    answers(await send('GET', `/cache/${lower.toUpperCase()}/k`), 200, { n: 1 })
  }),
  ...onSite('hyper-api 5: odd but legal store names work', async ({ send, fresh }) => {
    for (const prefix of ['', 'sqlite_', 'my_store_', '0', 'a-b~c_']) {
      const name = `${prefix}${fresh()}`
      answers(await send('PUT', `/cache/${name}`), 201, { ok: true })
      answers(await send('POST', `/cache/${name}`, { json: { key: 'k', value: { n: 1 } } }), 201, { ok: true })
      answers(await send('GET', `/cache/${name}/_query?pattern=*`), 200, {
        ok: true,
        docs: [{ key: 'k', value: { n: 1 } }],
      })
      answers(await send('DELETE', `/cache/${name}`), 200, { ok: true })
    }
  }),
  ...onSite('hyper-api 1.8, 12.2 B22, corner 26: GET /cache lists the store names', async ({ send, fresh }) => {
    const name = fresh()
    await send('PUT', `/cache/${name}`)
    const reply = await send('GET', '/cache')
    const { stores } = reply.json() as { stores: string[] }
    answers(reply, 200, { name: 'cache', version: '0.0.4', stores })
    assert.ok(stores.includes(name))
    assert.ok(stores.every((store) => typeof store === 'string'))
    await send('DELETE', `/cache/${name}`)
    assert.ok(!((await send('GET', '/cache')).json() as { stores: string[] }).stores.includes(name))
  }),

  // Create

  ...inDomain('hyper-api 1.10 C4, 12.2 B33: POST stores a value, 201 {"ok":true}', async ({ onCache }) => {
    answers(await onCache('POST', '', { json: { key: 'k', value: { a: [1] } } }), 201, { ok: true })
    answers(await onCache('GET', '/k'), 200, { a: [1] })
  }),
  ...inDomain('hyper-api 1.10 C4: a live key is 409 and keeps its value', async ({ onCache }) => {
    await onCache('POST', '', { json: { key: 'k', value: { n: 1 } } })
    refuses(await onCache('POST', '', { json: { key: 'k', value: { n: 2 } } }), 409, 'document conflict')
    answers(await onCache('GET', '/k'), 200, { n: 1 })
  }),
  ...inDomain('hyper-api 1.10 C4, 12.2 B15, corner 17: an absent or null key is 422', async ({ onCache }) => {
    refuses(await onCache('POST', '', { json: {} }), 422)
    refuses(await onCache('POST'), 422)
    refuses(await onCache('POST', '', { json: { value: {} } }), 422)
    refuses(await onCache('POST', '', { json: { key: null, value: {} } }), 422)
    refuses(await onCache('POST', '', { json: [] }), 422)
  }),
  ...inDomain('hyper-api 1.10 C4: a key of another type is 422', async ({ onCache }) => {
    const types: [unknown, string][] = [
      [5, 'number'],
      [true, 'boolean'],
      [['a'], 'array'],
    ]
    for (const [key, type] of types) {
      refuses(
        await onCache('POST', '', { json: { key, value: {} } }),
        422,
        `Invalid Arguments 'key': Expected string, received ${type}.`,
      )
    }
    refuses(await onCache('POST', '', { json: { key: {}, value: {} } }), 422)
  }),
  ...inDomain('hyper-api 2.4, corner 19: a key that breaks the rule is 422 everywhere', async ({ onCache }) => {
    for (const key of BAD_KEYS) {
      const at = `/${encodeURIComponent(key)}`
      refuses(await onCache('POST', '', { json: { key, value: {} } }), 422, 'key is not valid')
      refuses(await onCache('GET', at), 422, 'key is not valid')
      refuses(await onCache('PUT', at, { json: {} }), 422, 'key is not valid')
      refuses(await onCache('DELETE', at), 422, 'key is not valid')
    }
    refuses(await onCache('POST', '', { json: { key: '', value: {} } }), 422, 'key is not valid')
    answers(await onCache('GET', '/_query'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 2.4, corner 19: every character of the rule is allowed', async ({ onCache }) => {
    answers(await onCache('POST', '', { json: { key: 'a/b$c+d~e_f-g', value: { n: 1 } } }), 201, { ok: true })
    answers(await onCache('GET', '/a%2Fb$c+d~e_f-g'), 200, { n: 1 })
    answers(await onCache('PUT', '/a%2Fb$c+d~e_f-g', { json: { n: 2 } }), 200, { ok: true })
    answers(await onCache('GET', '/a%2Fb%24c%2Bd~e_f-g'), 200, { n: 2 })
  }),
  ...inDomain('hyper-api 1.10 C4, 5.1: a value that is no object is 422', async ({ onCache }) => {
    refuses(await onCache('POST', '', { json: { key: 'k' } }), 422, "Invalid Arguments 'value': Required.")
    for (const [value, type] of [
      [[], 'array'],
      ['x', 'string'],
      [5, 'number'],
      [null, 'null'],
      [true, 'boolean'],
    ] as const) {
      refuses(
        await onCache('POST', '', { json: { key: 'k', value } }),
        422,
        `Invalid Arguments 'value': Expected object, received ${type}.`,
      )
    }
    refuses(await onCache('GET', '/k'), 404)
  }),
  ...inDomain('hyper-api 5.1: a value has no limit but the body', async ({ onCache }) => {
    const value = { large: 'x'.repeat(5_000_000) }
    answers(await onCache('POST', '', { json: { key: 'k', value } }), 201, { ok: true })
    assert.deepEqual((await onCache('GET', '/k')).json(), value)
  }),
  ...inDomain('hyper-api 12.1 B2, corner 12: a value that looks like an error is a value', async ({ onCache }) => {
    for (const value of [{ ok: false, status: 404, msg: 'm' }, { ok: false, status: 'teapot' }, { ok: false }]) {
      answers(await onCache('PUT', '/e', { json: value }), 200, { ok: true })
      answers(await onCache('GET', '/e'), 200, value)
      answers(await onCache('GET', '/e', { headers: { 'x-hyper-legacy-get': 'false' } }), 200, { ok: true, doc: value })
    }
  }),

  // Read

  ...inDomain('hyper-api 1.10 C5: a missing key is 404', async ({ onCache }) => {
    refuses(await onCache('GET', '/k'), 404, 'document not found')
    refuses(await onCache('GET', '/k', { headers: { 'x-hyper-legacy-get': 'false' } }), 404, 'document not found')
  }),
  ...inDomain('hyper-api 1.10 C5, 3.4: cache get is raw by default, shaped on request', async (domain) => {
    await put(domain, 'k')
    for (const value of ['', 'true', ' true ']) {
      answers(await domain.onCache('GET', '/k', { headers: { 'x-hyper-legacy-get': value } }), 200, { n: 1 })
    }
    for (const value of ['false', '1', 'TRUE']) {
      answers(await domain.onCache('GET', '/k', { headers: { 'x-hyper-legacy-get': value } }), 200, {
        ok: true,
        doc: { n: 1 },
      })
    }
  }),

  // Replace

  ...inDomain('hyper-api 1.10 C6, design 14.2, 12.2 B17, corner 20: PUT replaces', async ({ onCache }) => {
    await onCache('POST', '', { json: { key: 'k', value: { a: 1 } } })
    answers(await onCache('PUT', '/k', { json: { b: 2 } }), 200, { ok: true })
    answers(await onCache('GET', '/k'), 200, { b: 2 })
  }),
  ...inDomain('hyper-api 1.10 C6: PUT makes what is missing; no body is an empty value', async ({ onCache }) => {
    answers(await onCache('PUT', '/k', { json: { a: 1 } }), 200, { ok: true })
    answers(await onCache('GET', '/k'), 200, { a: 1 })
    answers(await onCache('PUT', '/k'), 200, { ok: true })
    answers(await onCache('GET', '/k'), 200, {})
  }),
  ...inDomain('hyper-api 1.10 C6: an array is no value', async ({ onCache }) => {
    refuses(
      await onCache('PUT', '/k', { json: [] }),
      422,
      "Invalid Arguments 'value': Expected object, received array.",
    )
    refuses(await onCache('GET', '/k'), 404)
  }),
  ...inDomain('hyper-api 5.2: a ttl member of a PUT body is part of the value', async (domain) => {
    answers(await domain.onCache('PUT', '/k', { json: { ttl: '1', key: 'x' } }), 200, { ok: true })
    await sleep(20)
    answers(await domain.onCache('GET', '/k'), 200, { ttl: '1', key: 'x' })
  }),

  // Remove

  ...inDomain('hyper-api 1.10 C7, 12.2 B33, corner 25: DELETE is 200, there or not', async (domain) => {
    await put(domain, 'k')
    answers(await domain.onCache('DELETE', '/k'), 200, { ok: true })
    refuses(await domain.onCache('GET', '/k'), 404, 'document not found')
    answers(await domain.onCache('DELETE', '/k'), 200, { ok: true })
    answers(await domain.onCache('DELETE', '/never'), 200, { ok: true })
  }),

  // Time to live

  ...inDomain('hyper-api 5.2: a ttl string counts milliseconds', async (domain) => {
    answers(await put(domain, 'k', { ttl: String(LIFE_MS) }), 201, { ok: true })
    await goes(domain, 'k')
  }),
  ...inDomain('hyper-api 5.2, 12.2 B16, corner 21: a ttl number is milliseconds', async (domain) => {
    answers(await put(domain, 'k', { ttl: LIFE_MS }), 201, { ok: true })
    await goes(domain, 'k')
    answers(await put(domain, 'minus', { ttl: -5 }), 201, { ok: true })
    await goes(domain, 'minus', 5)
  }),
  ...inDomain('hyper-api 5.2: ttl units, signs, spaces and capitals', async (domain) => {
    const long = [
      ...['1ms', '1 msec', '1msecs', '1millisecond', '1milliseconds', '.5 ms', '1.5ms'].map(
        (ttl) => [ttl, false] as const,
      ),
      ...['-1s', '-1 day', '0', '0s', '-0.5h', '-1'].map((ttl) => [ttl, false] as const),
      ...['60 s', '60sec', '60seconds'].map((ttl) => [ttl, true] as const),
      ...[
        '60secs',
        '60second',
        '60 SECONDS',
        '1m',
        '1M',
        '1min',
        '1mins',
        '1minute',
        '1minutes',
        '1h',
        '1hr',
        '1hrs',
      ].map((ttl) => [ttl, true] as const),
      ...[
        '1hour',
        '1 hours',
        '1d',
        '1day',
        '1 days',
        '1w',
        '1week',
        '1weeks',
        '1y',
        '1yr',
        '1yrs',
        '1year',
        '1 years',
      ].map((ttl) => [ttl, true] as const),
      ...['60000', '1.5h', '.5d', '100000y'].map((ttl) => [ttl, true] as const),
    ]
    for (const [number, [ttl]] of long.entries()) {
      answers(await put(domain, `k${number}`, { ttl }), 201, { ok: true })
      answers(await domain.onCache('PUT', `/p${number}?ttl=${encodeURIComponent(ttl)}`, { json: {} }), 200, {
        ok: true,
      })
    }
    await sleep(20)
    for (const [number, [ttl, lives]] of long.entries()) {
      for (const key of [`k${number}`, `p${number}`]) {
        assert.equal((await domain.onCache('GET', `/${key}`)).status, lives ? 200 : 404, `${key} ttl ${ttl}`)
      }
    }
  }),
  ...inDomain('hyper-api 5.2, 12.3.7, 12.2 B16: a ttl that is no duration is 422', async (domain) => {
    for (const ttl of [
      'abc',
      '1x',
      '+1s',
      '1e3',
      '1_000',
      '1 month',
      '1,5s',
      's',
      ' ',
      `${'1'.repeat(120)}`,
      '1s2s',
      'NaN',
    ]) {
      refuses(await put(domain, 'k', { ttl }), 422)
      refuses(await domain.onCache('PUT', `/k?ttl=${encodeURIComponent(ttl)}`, { json: {} }), 422)
    }
    refuses(await domain.onCache('GET', '/k'), 404)
  }),
  ...inDomain('hyper-api 5.2, 1.10 C4 and C6: a ttl of another type is 422', async (domain) => {
    for (const ttl of [true, {}, [], ['1s'], [1]]) refuses(await put(domain, 'k', { ttl }), 422)
    refuses(await domain.onCache('PUT', '/k?ttl=1s&ttl=2s', { json: {} }), 422)
    refuses(await domain.onCache('PUT', '/k?ttl[]=1s', { json: {} }), 422)
    refuses(await domain.onCache('PUT', '/k?ttl[a]=1s', { json: {} }), 422)
    refuses(await domain.onCache('GET', '/k'), 404)
  }),
  ...inDomain('hyper-api 5.2: absent, null, "", 0 and false as ttl are for ever', async (domain) => {
    for (const [number, ttl] of [undefined, null, '', 0, false].entries()) {
      answers(await put(domain, `k${number}`, { ttl }), 201, { ok: true })
    }
    answers(await domain.onCache('PUT', '/p?ttl=', { json: {} }), 200, { ok: true })
    await sleep(20)
    assert.deepEqual(keys(await domain.onCache('GET', '/_query')), ['k0', 'k1', 'k2', 'k3', 'k4', 'p'])
  }),
  ...inDomain('hyper-api 5.2: PUT without ttl makes a key permanent', async (domain) => {
    await put(domain, 'k', { ttl: String(LIFE_MS) })
    answers(await domain.onCache('PUT', '/k', { json: { n: 2 } }), 200, { ok: true })
    await stays(domain, 'k')
  }),
  ...inDomain('hyper-api 5.2: PUT ?ttl=0 makes an existing key permanent, a new one goes at once', async (domain) => {
    await put(domain, 'k', { ttl: String(LIFE_MS) })
    answers(await domain.onCache('PUT', '/k?ttl=0', { json: { n: 2 } }), 200, { ok: true })
    answers(await domain.onCache('PUT', '/new?ttl=0', { json: {} }), 200, { ok: true })
    await goes(domain, 'new', 5)
    await stays(domain, 'k')
  }),
  ...inDomain('hyper-api 5.2: PUT with a ttl starts the clock anew', async (domain) => {
    await put(domain, 'k', { ttl: String(LIFE_MS) })
    answers(await domain.onCache('PUT', '/k?ttl=1+day', { json: { n: 2 } }), 200, { ok: true })
    await stays(domain, 'k')
    answers(await domain.onCache('PUT', `/k?ttl=${LIFE_MS}`, { json: { n: 3 } }), 200, { ok: true })
    await goes(domain, 'k')
  }),
  ...inDomain('hyper-api 12.2 B18, corner 22: an expired key is absent for get, query, create', async (domain) => {
    const { onCache } = domain
    await put(domain, 'made', { ttl: '10' })
    await put(domain, 'read', { ttl: '10' })
    await put(domain, 'set', { ttl: '10' })
    await sleep(30)
    assert.deepEqual(keys(await onCache('GET', '/_query?pattern=*')), [])
    answers(await onCache('POST', '', { json: { key: 'made', value: { n: 2 } } }), 201, { ok: true })
    answers(await onCache('GET', '/made'), 200, { n: 2 })
    refuses(await onCache('GET', '/read'), 404, 'document not found')
    refuses(await onCache('GET', '/read'), 404, 'document not found')
    answers(await onCache('PUT', '/set', { json: { b: 2 } }), 200, { ok: true })
    answers(await onCache('GET', '/set'), 200, { b: 2 })
  }),

  // Listing

  ...inDomain('hyper-api 1.10 C3, 5.3: GET and POST _query list entries', async (domain) => {
    await put(domain, 'b')
    await put(domain, 'a')
    const expected = {
      ok: true,
      docs: [
        { key: 'a', value: { n: 1 } },
        { key: 'b', value: { n: 1 } },
      ],
    }
    for (const method of ['GET', 'POST']) {
      answers(await domain.onCache(method, '/_query?pattern=*'), 200, expected)
      answers(await domain.onCache(method, '/_query?pattern=zz*'), 200, { ok: true, docs: [] })
    }
  }),
  ...inDomain('hyper-api 12.2 B15, corner 23: a missing pattern is *', async (domain) => {
    await put(domain, 'a')
    assert.deepEqual(keys(await domain.onCache('GET', '/_query')), ['a'])
    assert.deepEqual(keys(await domain.onCache('POST', '/_query')), ['a'])
  }),
  ...inDomain('hyper-api 5.3: an empty pattern matches nothing', async (domain) => {
    await put(domain, 'a')
    assert.deepEqual(keys(await domain.onCache('GET', '/_query?pattern=')), [])
  }),
  ...inDomain('hyper-api 12.2 B19, corner 23: * is any run anywhere, all else literal', async (domain) => {
    for (const key of ['team_1', 'teamx1', 'xteam1', 'team-1']) await put(domain, key)
    const table: [string, string[]][] = [
      ['*team*', ['team-1', 'team_1', 'teamx1', 'xteam1']],
      ['t*m*1', ['team-1', 'team_1', 'teamx1']],
      ['team_1', ['team_1']],
      ['TEAM*', []],
      ['team%', []],
      ['team?1', []],
      ['team[x]1', []],
      ['team', []],
      ['teamx1', ['teamx1']],
    ]
    for (const [pattern, expected] of table) {
      assert.deepEqual(
        keys(await domain.onCache('GET', `/_query?pattern=${encodeURIComponent(pattern)}`)),
        expected,
        pattern,
      )
    }
  }),
  ...inDomain('hyper-api 1.10 C3: a repeated pattern is 422', async ({ onCache }) => {
    refuses(
      await onCache('GET', '/_query?pattern=a&pattern=b'),
      422,
      "Invalid Arguments 'pattern': Expected string, received array.",
    )
    refuses(
      await onCache('POST', '/_query?pattern[a]=b'),
      422,
      "Invalid Arguments 'pattern': Expected string, received object.",
    )
  }),
  ...inDomain('hyper-api 1.10 C3, 1.6, corner 24: the body of _query is ignored', async (domain) => {
    await put(domain, 'a')
    await put(domain, 'b')
    assert.deepEqual(keys(await domain.onCache('POST', '/_query', { json: { pattern: 'a*' } })), ['a', 'b'])
    const bad = { headers: { 'content-type': 'application/json' }, body: '{bad' }
    assert.deepEqual(keys(await domain.onCache('POST', '/_query?pattern=a*', bad)), ['a'])
  }),
  ...inDomain('hyper-api 5.3: no paging and no cap', async (domain) => {
    const all = Array.from({ length: 1_200 }, (_, n) => `k${String(n).padStart(4, '0')}`)
    for (let at = 0; at < all.length; at += 100) {
      await Promise.all(all.slice(at, at + 100).map((key) => domain.onCache('PUT', `/${key}`, { json: {} })))
    }
    assert.deepEqual(keys(await domain.onCache('GET', '/_query?pattern=k*')), all)
  }),
  ...inDomain('hyper-api 1.10: only GET and POST make _query special', async ({ onCache }) => {
    refuses(await onCache('PUT', '/_query', { json: {} }), 422, 'key is not valid')
    refuses(await onCache('DELETE', '/_query'), 422, 'key is not valid')
  }),
  ...inDomain('hyper-api 1.10, corner 15: GET of a store without a key has no route', async ({ onCache }) => {
    refuses(await onCache('GET'), 404, 'not found!')
  }),

  // Order of checks

  ...inEmptyDomain(
    'hyper-api 1.10: parsing, ttl and rules are checked before the store exists',
    async ({ onCache }) => {
      refuses(await onCache('POST', '', { headers: { 'content-type': 'application/json' }, body: '{bad' }), 400)
      refuses(await onCache('POST', '', { json: { key: 'A', value: {} } }), 422, 'key is not valid')
      refuses(await onCache('POST', '', { json: { key: 'k', value: [] } }), 422)
      refuses(await onCache('POST', '', { json: { key: 'k', value: {}, ttl: true } }), 422)
      refuses(await onCache('GET', '/A'), 422, 'key is not valid')
    },
  ),
]
