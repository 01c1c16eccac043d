/**
 * The data port on a MongoDB server: the suite, what only servers show, and servers that are dead, paused or not for us. Where no
 * MongoDB can be had a stand-in plays it; what that is known to get wrong is left out by name, and asked again to see whether it still does.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { after, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { BSON, Decimal128, Long, MongoClient, ObjectId } from 'mongodb'
import { compileFilter } from '../adapters/data/mongodb/filter.ts'
import { toPcre } from '../adapters/data/mongodb/regex.ts'
import { createMongodbData } from '../adapters/data/mongodb.ts'
import { parseRegex } from '../adapters/data/regex.ts'
import { parseSelector } from '../adapters/data/selector.ts'
import type { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type DataPort, type Document, dataPort } from '../server/ports/data.ts'
import { dataSuite } from './conformance/data.ts'
import { GEO_MATCHES, PLACES } from './conformance/data-geo.ts'
import { MATCHES, SAMPLES } from './conformance/data-queries.ts'
import { allUnavailable, eventually, isCode, killedUnderLoad } from './outage.ts'
import { type RealServer, startServer } from './parts/servers.ts'

/** Cases of the suite that the stand-in fails, each with its own fault. */
const FAILED_BY_STAND_IN: Record<string, string> = {
  'database: names are told apart by every character and listed by code point':
    'it sorts texts by UTF-16, not by bytes',
  'list: all documents by the bytes of their ids': 'it sorts texts by UTF-16, not by bytes',
  'sort: strings by their bytes': 'it sorts texts by UTF-16, not by bytes',
  'query: $mod finds no number of more than 64 bits': 'it takes them for the largest of 64 bits',
}

/** Selectors of the suite that it answers wrongly. */
const MISJUDGED_BY_STAND_IN: [selector: Document, fault: string][] = [
  [{ 'list.p': 1 }, 'it looks through arrays in arrays'],
  [{ s: { $gte: '\uffff' } }, 'it compares texts by UTF-16, not by bytes'],
  [{ n: { $regex: '1' } }, 'it matches patterns with numbers'],
  [{ list: { $elemMatch: { p: { $exists: false } } } }, 'its $elemMatch passes over arrays in arrays'],
  [{ tags: { $elemMatch: { $in: ['x'] } } }, 'its $elemMatch looks through arrays in arrays'],
]

/** Selectors of the suite that it refuses; the gateway decides instead, which says nothing about how MongoDB would. */
const LACKED_BY_STAND_IN = [
  '{"list":{"$elemMatch":{"p":1,"q":2}}}',
  '{"list":{"$elemMatch":{"$or":[{"p":2},{"q":2}]}}}',
  '{"n":{"$bitsAllSet":5}}',
  '{"n":{"$bitsAnySet":[0]}}',
  '{"n":{"$bitsAllClear":[1]}}',
  '{"n":{"$bitsAnyClear":3}}',
  '{"n":{"$bitsAllSet":5},"":{"$exists":false}}',
]

const found = await startServer('mongo')
if ('missing' in found) {
  test('the data service on MongoDB', (t) => {
    if (process.env.CI) assert.fail(found.missing)
    t.skip(found.missing)
  })
} else {
  after(() => found[Symbol.asyncDispose]())
  allOn(found)
}

function open(url: string, namespace: string, queryDeadline?: number): Guarded<DataPort> {
  return guard<DataPort>(dataPort, createMongodbData({ url, namespace, queryDeadline }))
}

function allOn(server: RealServer): void {
  const { url, isOurs: isStandIn } = server

  describe('the suite', () => {
    const namespace = `test-${randomUUID()}`
    const misjudged = new Map(MISJUDGED_BY_STAND_IN.map(([selector, fault]) => [JSON.stringify(selector), fault]))
    dataSuite({
      test(name, run) {
        const fault = isStandIn && FAILED_BY_STAND_IN[name]
        return fault ? test(`stand-in, not MongoDB: ${name}`, { skip: fault }, () => {}) : test(name, run)
      },
      create: () => open(url, namespace),
      leaveOut: (selector) => isStandIn && misjudged.has(JSON.stringify(selector)),
    })
    for (const [selector, fault] of isStandIn ? misjudged : []) {
      test(`stand-in, not MongoDB: query: ${selector}`, { skip: fault }, () => {})
    }
    for (const selector of isStandIn ? LACKED_BY_STAND_IN : []) {
      test(`stand-in, not MongoDB: query by the server: ${selector}`, { skip: 'it refuses this' }, () => {})
    }
  })

  /** A data port with one database, `d`, and a client on the same server that sees the collections behind it. */
  async function fixture(t: TestContext, options: { queryDeadline?: number } = {}) {
    const namespace = `test-${randomUUID()}`
    const data = open(url, namespace, options.queryDeadline)
    const client = new MongoClient(url)
    const mongo = client.db(namespace)
    t.after(async () => {
      await data.close()
      await mongo.dropDatabase().catch(() => {})
      await client.close()
    })
    await eventually(() => data.check()) // on a busy machine
    await data.createDatabase({ db: 'd' })
    const collectionOf = async (db: string) => {
      const { collection } = (await mongo
        .collection<{ _id: string; collection: string }>(`${namespace}.databases`)
        .findOne({ _id: db })) ?? { collection: '' }
      return mongo.collection<Document & { _id: string }>(collection)
    }
    return { data, namespace, mongo, collectionOf }
  }

  describe('what only a server shows', () => {
    test('the server itself decides every selector that is pushed down to it, and as the suite says', async (t) => {
      const { mongo } = await fixture(t)
      const wrong: string[] = []
      const refused: string[] = []
      for (const [docs, matches] of [
        [SAMPLES, MATCHES],
        [PLACES, GEO_MATCHES],
      ] as const) {
        const collection = mongo.collection(`asked-${docs.length}`)
        await collection.insertMany(docs.map((doc) => ({ ...doc }) as never))
        for (const [selector, expected] of Object.values(matches).flat()) {
          const { filter, exact } = compileFilter(parseSelector(selector))
          const text = JSON.stringify(selector)
          try {
            const ids = (await collection.find(filter).toArray()).map(({ _id }) => String(_id)).sort()
            const isRight = exact
              ? ids.join(' ') === expected
              : expected.split(' ').every((id) => id === '' || ids.includes(id))
            if (!isRight) wrong.push(text)
          } catch {
            refused.push(text)
          }
        }
      }
      assert.deepEqual(wrong, isStandIn ? MISJUDGED_BY_STAND_IN.map(([selector]) => JSON.stringify(selector)) : [])
      assert.deepEqual(refused, isStandIn ? LACKED_BY_STAND_IN : [])
    })

    test('documents can be read and queried by hand as they are', async (t) => {
      const { data, mongo, collectionOf } = await fixture(t)
      const doc = { _id: 'a', n: 1, big: 2 ** 40, half: 0.5, tags: ['x'], o: { p: null }, 'a.b': true }
      await data.createDocument({ db: 'd', id: 'a', doc })
      await data.createDocument({ db: 'd', id: 'b', doc: { t: '\ud800' } })
      const collection = await collectionOf('d')
      assert.deepEqual(await collection.find({ 'o.p': null, tags: 'x', n: { $type: 'int' } }).toArray(), [doc])
      assert.equal(await collection.countDocuments({ big: { $type: 'double' } }), 1)
      const names = (await mongo.listCollections().toArray()).map(({ name }) => name)
      assert.ok(names.every((name) => name.startsWith(`${mongo.databaseName}.`)))
    })

    test('documents that others have put there are told as JSON, and under other ids than texts left alone', async (t) => {
      const { data, collectionOf } = await fixture(t)
      await data.createDocument({ db: 'd', id: 'ours', doc: { n: 1 } })
      const theirs = new ObjectId('507f1f77bcf86cd799439011')
      const collection = await collectionOf('d')
      await collection.insertMany([
        { _id: theirs as never, n: 2 },
        { _id: 'theirs', n: Long.fromNumber(3), at: new Date(0), ref: theirs, price: Decimal128.fromString('1.10') },
      ])
      assert.deepEqual(decode(await data.retrieveDocument({ db: 'd', id: 'theirs' })), {
        ...{ _id: 'theirs', n: 3, at: '1970-01-01T00:00:00.000Z', ref: '507f1f77bcf86cd799439011' },
        price: { $numberDecimal: '1.10' },
      })
      const listed = await collect(await data.listDocuments({ db: 'd', descending: true }))
      assert.deepEqual(
        listed.map((each) => decode(each)._id),
        ['theirs', 'ours'],
      )
      assert.equal(
        (await collect(await data.queryDocuments({ db: 'd', query: { selector: { n: { $gt: 0 } } } }))).length,
        3,
      )
    })

    test('patterns mean what they mean in JavaScript', async (t) => {
      const { data } = await fixture(t)
      const texts = [
        '',
        'a',
        'A',
        'aB',
        'b a',
        'a\nb',
        'ab\n',
        '\n',
        'a\u2028b',
        '\u00a0',
        '😀',
        'é',
        'É',
        '\u212a',
        'K',
        'k',
        '1',
        '٣',
      ]
      texts.push(
        'ſ',
        's',
        '[',
        ']',
        '\\',
        '.',
        '-',
        '_',
        'a-b',
        'aa',
        'aaa',
        'a{2}',
        '/',
        '#',
        '\u000b',
        '\ufeff',
        '$a',
        'ß',
        'ẞ',
      )
      await data.bulkDocuments({ db: 'd', docs: texts.map((s, n) => ({ _id: String(n), s })) })
      for (const { pattern, options, source, flags } of PATTERNS.map(readPattern)) {
        const selector = { s: { $regex: pattern, $options: options } }
        const page = await data.queryDocuments({ db: 'd', query: { selector, limit: 1_000, sort: ['_id'] } })
        const found = (await collect(page)).map((doc) => decode(doc).s)
        const expected = texts.filter((text) => new RegExp(source, flags).test(text))
        assert.deepEqual(found.toSorted(), expected.toSorted(), `${pattern} ${options}`)
      }
      const pushed = PATTERNS.map(readPattern).filter(({ source, flags }) => toPcre({ source, flags }) !== undefined)
      assert.ok(pushed.length > PATTERNS.length / 2, `${pushed.length} of ${PATTERNS.length}`)
    })

    test('a pattern that never ends is ended at the deadline, and reads go on meanwhile', async (t) => {
      const { data } = await fixture(t, { queryDeadline: 500 })
      await data.bulkDocuments({ db: 'd', docs: [{ _id: 'x', a: `${'a'.repeat(60)}!` }] })
      // A backreference is JavaScript's to decide.
      const selector = { a: { $regex: '^(a+)+\\1$' } }
      const ended = assert.rejects(data.queryDocuments({ db: 'd', query: { selector } }), isCode('QUERY_TIMEOUT'))
      for (let n = 0; n < 5; n++) await data.retrieveDocument({ db: 'd', id: 'x' })
      await ended
    })

    test('several gateways see the same databases, whoever removes them and makes them again', async (t) => {
      const { data, namespace, mongo } = await fixture(t)
      const other = open(url, namespace)
      t.after(() => other.close())
      await other.createDocument({ db: 'd', id: 'a', doc: { n: 1 } })
      assert.deepEqual(decode(await data.retrieveDocument({ db: 'd', id: 'a' })), { _id: 'a', n: 1 })
      await data.removeDatabase({ db: 'd' })
      const calls = [
        () => other.retrieveDocument({ db: 'd', id: 'a' }),
        () => other.createDocument({ db: 'd', id: 'b', doc: {} }),
        () => other.updateDocument({ db: 'd', id: 'b', doc: {} }),
        () => other.removeDocument({ db: 'd', id: 'a' }),
        () => other.bulkDocuments({ db: 'd', docs: [{ _id: 'b' }] }),
        () => other.listDocuments({ db: 'd' }),
        () => other.queryDocuments({ db: 'd', query: {} }),
        () => other.emptyDatabase({ db: 'd' }),
        () => other.indexDocuments({ db: 'd', name: 'i', fields: ['a'] }),
      ]
      for (const call of calls) {
        await data.createDatabase({ db: 'd' })
        await data.createDocument({ db: 'd', id: 'a', doc: {} })
        await other.retrieveDocument({ db: 'd', id: 'a' }) // it knows the database now
        await data.removeDatabase({ db: 'd' })
        await assert.rejects(call(), isCode('DATABASE_NOT_FOUND'))
        await data.createDatabase({ db: 'd' })
        await call().catch((error: unknown) => assert.ok(isCode('DOCUMENT_NOT_FOUND')(error)))
        await data.removeDatabase({ db: 'd' })
      }
      const left = (await mongo.listCollections().toArray()).map(({ name }) => name)
      assert.deepEqual(
        left.filter((name) => name !== `${namespace}.databases`),
        [],
      )
      const races = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => (n % 2 ? data : other).createDatabase({ db: 'race' })),
      )
      assert.equal(races.filter(({ status }) => status === 'fulfilled').length, 1)
    })

    test('a removal that was cut off is finished by whoever makes the database again', async (t) => {
      const { data, namespace, mongo, collectionOf } = await fixture(t)
      await data.createDocument({ db: 'd', id: 'a', doc: {} })
      const collection = await collectionOf('d')
      const catalogue = mongo.collection<{ _id: string }>(`${namespace}.databases`)
      await catalogue.updateOne({ _id: 'd' }, { $set: { removing: true } })
      const later = open(url, namespace)
      t.after(() => later.close())
      await assert.rejects(later.retrieveDocument({ db: 'd', id: 'a' }), isCode('DATABASE_NOT_FOUND'))
      assert.deepEqual(await later.listDatabases({}), { names: [] })
      await later.createDatabase({ db: 'd' })
      assert.deepEqual(await collect(await later.listDocuments({ db: 'd' })), [])
      assert.equal((await mongo.listCollections({ name: collection.collectionName }).toArray()).length, 0)
    })

    test('a document is read by one command, written beside one that looks after its database', async (t) => {
      const { namespace } = await fixture(t)
      await using proxy = await startProxy(url)
      const data = open(proxy.url, namespace)
      t.after(() => data.close())
      await data.createDocument({ db: 'd', id: 'a', doc: {} })
      const cost = async (call: () => Promise<unknown>) => {
        proxy.commands.length = 0
        await call()
        return proxy.commands
          .filter((name) => !['hello', 'ping', 'saslStart', 'saslContinue', 'endSessions'].includes(name))
          .join(' ')
      }
      assert.equal(await cost(() => data.retrieveDocument({ db: 'd', id: 'a' })), 'find')
      assert.equal(await cost(() => data.listDocuments({ db: 'd' })), 'find')
      assert.equal(await cost(() => data.queryDocuments({ db: 'd', query: {} })), 'find find')
      assert.deepEqual((await cost(() => data.updateDocument({ db: 'd', id: 'a', doc: {} }))).split(' ').sort(), [
        'find',
        'update',
      ])
      assert.deepEqual((await cost(() => data.createDocument({ db: 'd', id: 'b', doc: {} }))).split(' ').sort(), [
        'find',
        'insert',
      ])
      assert.equal(await cost(() => data.removeDocument({ db: 'd', id: 'b' })), 'delete')
    })
  })

  describe('a server in trouble', { skip: !server.isOurs && 'the server is not ours to trouble' }, () => {
    test('a password that is wrong or missing is said, and never shown', async (t) => {
      const { host } = new URL(url)
      for (const credentials of ['', 'hyper:s3cret@', 's3cret:s3cret@']) {
        const data = open(`mongodb://${credentials}${host}/?authSource=admin`, 'x')
        t.after(() => data.close())
        for (const call of [() => data.listDatabases({}), () => data.check()]) {
          await assert.rejects(call(), (error: unknown) => {
            assert.ok(isCode('BACKEND_UNAVAILABLE')(error), String(error))
            assert.match((error as HyperError).message, /does not let this user in/)
            assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /s3cret/)
            return true
          })
        }
      }
      for (const wrong of [
        'http://user:s3cret@x',
        'mongodb://user:s3cret@',
        'mongodb://u:s3cret@a:99999',
        'mongodb://u:s3@cret@a',
      ]) {
        assert.throws(
          () => open(wrong, 'x'),
          (error: unknown) => isCode('CONFIG_INVALID')(error) && !inspect(error, { depth: 20 }).includes('s3cret'),
          wrong,
        )
      }
    })

    test('one that is not there yet is waited for by nobody, and found when it is', async (t) => {
      const { data, namespace } = await fixture(t)
      await data.createDocument({ db: 'd', id: 'a', doc: { n: 1 } })
      server.kill('SIGKILL')
      const early = open(url, namespace)
      t.after(() => early.close())
      await early.open()
      await unavailable(early)
      await unavailable(data)
      await server.restart()
      for (const each of [early, data]) {
        assert.deepEqual(decode(await eventually(() => each.retrieveDocument({ db: 'd', id: 'a' }))), {
          _id: 'a',
          n: 1,
        })
        await each.check()
      }
    })

    test('one that is paused fails what waits and what comes, and goes on afterwards', async (t) => {
      const { data } = await fixture(t)
      await data.createDocument({ db: 'd', id: 'a', doc: { n: 1 } })
      server.kill('SIGSTOP')
      try {
        await unavailable(data)
        await sleep(3_500)
        await unavailable(data)
      } finally {
        server.kill('SIGCONT')
      }
      assert.deepEqual(decode(await eventually(() => data.retrieveDocument({ db: 'd', id: 'a' }))), { _id: 'a', n: 1 })
    })

    test('one that goes away within a bulk fails it as any other write', async (t) => {
      const { data } = await fixture(t)
      const docs = Array.from({ length: 20_000 }, (_, n) => ({ _id: `d${n}`, n }))
      const failed = assert.rejects(data.bulkDocuments({ db: 'd', docs }), { code: 'BACKEND_UNAVAILABLE' })
      const isBegun = () => data.retrieveDocument({ db: 'd', id: 'd0' }).then(() => true, isCode('BACKEND_UNAVAILABLE'))
      while (!(await isBegun())) await sleep(5)
      server.kill('SIGKILL')
      await failed
      await server.restart()
      await eventually(() => data.check())
    })

    test('killed and restarted under load: only acknowledgements and 503s, and what was acknowledged is there', async (t) => {
      const { data } = await fixture(t)
      const acknowledged = await killedUnderLoad(server, async (writer, n) => {
        const ids = [`v${writer}-${n}`, ...(n % 2 ? [] : [`w${writer}-${n}`])]
        if (ids.length > 1) await data.bulkDocuments({ db: 'd', docs: ids.map((_id) => ({ _id, n })) })
        else await data.createDocument({ db: 'd', id: ids.join(), doc: { n } })
        return ids
      })
      const listed = await eventually(async () => collect(await data.listDocuments({ db: 'd' })))
      const kept = new Set(listed.map((doc) => decode(doc)._id))
      assert.deepEqual(
        acknowledged.filter((id) => !kept.has(id)),
        [],
      )
    })
  })
}

/** What JavaScript and PCRE, or Java's patterns, may read differently; options behind a space. */
const PATTERNS = [
  ...[
    '',
    'a',
    '^a',
    'a$',
    '^a$ m',
    '^b m',
    '^.$',
    '^.$ s',
    'a.b',
    'a.b s',
    '\\s',
    '\\S',
    '^\\s$',
    '\\w',
    '\\W',
    '\\d',
    '\\D',
  ],
  ...[
    'k i',
    'K i',
    '^s$ i',
    'é i',
    'É i',
    '[a-c] i',
    '[^a] i',
    'ß i',
    '\\bb',
    '\\Bb',
    '[\\s]',
    '[^\\s]',
    '[\\d-]',
    '[-a]',
  ],
  ...[
    '[a\\]]',
    '[\\[]',
    '\\[',
    '\\\\',
    '\\.',
    '[.]',
    'a{2}',
    'a{2,}',
    '^a{1,2}$',
    'a\\{2\\}',
    '(a)\\1',
    '(?:a|b)+',
    'a(?=b)',
    'a(?!b)',
  ],
  ...[
    '(?<=a)b',
    '(?<x>a)',
    '[^]',
    '[]',
    '\\x61',
    '\\u0061',
    '\\u{1f600}',
    '😀',
    '[😀é]',
    '\\v',
    '[\\v]',
    '\\t',
    '\\n$',
    '\\-',
    '\\/',
    '#',
  ],
  ...[
    'a|',
    '|a',
    'a*?',
    'a+?b',
    '$a',
    '\\$a',
    '[$]a',
    '\\p{L}',
    '\\cJ',
    '[\\b]',
    '\\0',
    '^(?:a)?$',
    '(a|ab)(c|bcd)?$',
    '\\ufeff',
    '(?i)AB',
  ],
]

function readPattern(text: string) {
  const [, pattern = '', options = ''] = /^(.*?)(?: ([ims]+))?$/s.exec(text) ?? []
  const test = parseRegex(pattern, options)
  if (test.op !== 'regex') throw new Error('not a pattern')
  return { pattern, options, source: test.source, flags: test.flags }
}

/** Every method fails within two seconds, all asked at once. A paused server does what it was asked once it goes on. */
async function unavailable(data: Guarded<DataPort>): Promise<void> {
  const at = { db: 'd', id: 'x' }
  await allUnavailable(
    data.createDatabase({ db: 'new' }),
    data.removeDatabase({ db: 'nope' }),
    data.listDatabases({}),
    data.emptyDatabase({ db: 'nope' }),
    data.createDocument({ ...at, doc: {} }),
    data.retrieveDocument(at),
    data.updateDocument({ ...at, doc: {} }),
    data.removeDocument(at),
    data.listDocuments({ db: 'd' }),
    data.queryDocuments({ db: 'd', query: {} }),
    data.queryDocuments({ db: 'd', query: { selector: { $expr: true } } }),
    data.indexDocuments({ db: 'nope', name: 'i', fields: ['a'] }),
    data.bulkDocuments({ db: 'd', docs: [{ _id: 'x' }, { _id: 'y' }] }),
    data.check(),
  )
}

/** Passes everything on to the server of `url`, and writes down the commands that go there. */
async function startProxy(url: string): Promise<AsyncDisposable & { url: string; commands: string[] }> {
  const { hostname, port } = new URL(url)
  const commands: string[] = []
  const proxy = createServer((near) => {
    const far = connect(Number(port), hostname)
    let rest = Buffer.alloc(0)
    near.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
        // A header of 16 bytes, flags of 4, a section's kind of 1, then the command.
        const message = rest.subarray(0, rest.readInt32LE(0))
        if (message.readInt32LE(12) === 2013)
          commands.push(Object.keys(BSON.deserialize(message.subarray(21, 21 + message.readInt32LE(21))))[0] ?? '')
        rest = rest.subarray(message.length)
      }
    })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
    }
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port: tcpPort } = proxy.address() as AddressInfo
  return {
    url: url.replace(`${hostname}:${port}`, `127.0.0.1:${tcpPort}`),
    commands,
    async [Symbol.asyncDispose]() {
      proxy.close()
    },
  }
}
