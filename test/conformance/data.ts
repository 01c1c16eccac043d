/**
 * What every adapter of the data port must do (hyper-api §§4, 12), as cases for any runner. Each case opens the store anew,
 * works in databases of its own and removes them.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { ErrorCode } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { DataPort, Document } from '../../server/ports/data.ts'
import { BAD_SHAPES, GEO_MATCHES, PLACES } from './data-geo.ts'
import { MATCHES, SAMPLES, SORTED } from './data-queries.ts'

export interface DataSuiteOptions {
  /** Registers a case with the runner. Names begin with the rule they are about: `query: …`. */
  test(name: string, run: () => Promise<void>): unknown
  /** The adapter, guarded, not opened yet. Called once or twice in a case, always for the same store. */
  create(): Guarded<DataPort> | Promise<Guarded<DataPort>>
  /** Whether not to ask for this: what stands in for the adapter's real server is known to answer otherwise. */
  leaveOut?(selector: Record<string, unknown>): boolean
}

interface Fixture {
  data: Guarded<DataPort>
  /** A database that exists, empty. */
  db: string
  /** Closes the port and opens the store anew; `data` is the new one. */
  reopen(): Promise<void>
  /** Another database name, removed afterwards. */
  name(): string
  add(...docs: Document[]): Promise<void>
  query(query: Record<string, unknown>): Promise<Document[]>
  /** The ids a selector finds, sorted. */
  ids(selector: Record<string, unknown>): Promise<string[]>
  list(options?: Record<string, unknown>): Promise<Document[]>
  get(id: string): Promise<Document>
  fails(code: ErrorCode, call: Promise<unknown>): Promise<void>
}

export function dataSuite({ test, create, leaveOut = () => false }: DataSuiteOptions): void {
  function rule(name: string, run: (fixture: Fixture) => Promise<void>): void {
    test(name, async () => {
      const names: string[] = []
      const fixture: Fixture = {
        data: await create(),
        db: `conformance-${randomUUID()}`,
        async reopen() {
          await fixture.data.close()
          fixture.data = await create()
        },
        name() {
          const name = `conformance-${randomUUID()}`
          names.push(name)
          return name
        },
        async add(...docs) {
          await fixture.data.bulkDocuments({ db: fixture.db, docs })
        },
        async query(query) {
          return (await collect(await fixture.data.queryDocuments({ db: fixture.db, query }))).map(decode)
        },
        async ids(selector) {
          return (await fixture.query({ selector, limit: 1_000 })).map(({ _id }) => String(_id)).sort()
        },
        async list(options = {}) {
          const { db } = fixture
          return (await collect(await fixture.data.listDocuments({ db, ...options }))).map(decode)
        },
        async get(id) {
          return decode(await fixture.data.retrieveDocument({ db: fixture.db, id }))
        },
        async fails(code, call) {
          await assert.rejects(call, (error: { code?: unknown }) => {
            assert.equal(error.code, code, String(error))
            return true
          })
        },
      }
      await fixture.data.createDatabase({ db: fixture.db })
      try {
        await run(fixture)
      } finally {
        for (const db of [fixture.db, ...names]) await fixture.data.removeDatabase({ db }).catch(() => {})
        await fixture.data.close()
      }
    })
  }

  rule('database: creating it twice is a conflict, after removal it can be made again, empty', async (on) => {
    await on.add({ _id: 'a' })
    await on.fails('DATABASE_EXISTS', on.data.createDatabase({ db: on.db }))
    assert.deepEqual(await on.list(), [{ _id: 'a' }])
    await on.data.removeDatabase({ db: on.db })
    await on.fails('DATABASE_NOT_FOUND', on.list())
    await on.data.createDatabase({ db: on.db })
    assert.deepEqual(await on.list(), [])
  })

  rule('database: one that does not exist is reported by every method', async (on) => {
    const db = on.name()
    const { data } = on
    for (const call of [
      () => data.removeDatabase({ db }),
      () => data.emptyDatabase({ db }),
      () => data.createDocument({ db, id: 'a', doc: {} }),
      () => data.retrieveDocument({ db, id: 'a' }),
      () => data.updateDocument({ db, id: 'a', doc: {} }),
      () => data.removeDocument({ db, id: 'a' }),
      () => data.listDocuments({ db }),
      () => data.queryDocuments({ db, query: {} }),
      () => data.queryDocuments({ db, query: { selector: { a: { $regex: 'x' } } } }),
      () => data.indexDocuments({ db, name: 'i', fields: ['a'] }),
      () => data.bulkDocuments({ db, docs: [{ _id: 'a' }] }),
      () => data.bulkDocuments({ db, docs: [] }),
    ]) {
      await on.fails('DATABASE_NOT_FOUND', call())
    }
    assert.ok(!(await data.listDatabases({})).names.includes(db))
  })

  rule('database: names are told apart by every character and listed by code point', async (on) => {
    const base = on.name()
    const names = ['', ' ', '/x', '\u{1f600}', '\uffff', 'A', 'a', "'", '"', '%', '$'].map((end) => base + end)
    for (const db of names) await on.data.createDatabase({ db })
    try {
      for (const db of names) await on.data.createDocument({ db, id: 'me', doc: { db } })
      for (const db of names) {
        assert.deepEqual(decode(await on.data.retrieveDocument({ db, id: 'me' })), { _id: 'me', db })
      }
      const listed = (await on.data.listDatabases({})).names.filter((name) => name.startsWith(base))
      const byCodePoint = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      assert.deepEqual(listed, byCodePoint)
    } finally {
      for (const db of names) await on.data.removeDatabase({ db })
    }
  })

  rule('empty: removes every document, counts them, and nothing of another database', async (on) => {
    const other = on.name()
    await on.data.createDatabase({ db: other })
    await on.data.createDocument({ db: other, id: 'a', doc: { n: 1 } })
    await on.add({ _id: 'a' }, { _id: 'b' }, { _id: 'c' })
    assert.deepEqual(await on.data.emptyDatabase({ db: on.db }), { count: 3 })
    assert.deepEqual(await on.list(), [])
    assert.deepEqual(await on.data.emptyDatabase({ db: on.db }), { count: 0 })
    assert.deepEqual(decode(await on.data.retrieveDocument({ db: other, id: 'a' })), { _id: 'a', n: 1 })
    await on.data.createDocument({ db: on.db, id: 'a', doc: {} })
  })

  rule('empty: keeps the indexes', async (on) => {
    const index = { db: on.db, name: 'by-n' }
    await on.data.indexDocuments({ ...index, fields: ['n'] })
    await on.data.emptyDatabase({ db: on.db })
    await on.fails('INDEX_CONFLICT', on.data.indexDocuments({ ...index, fields: ['m'] }))
  })

  rule('create: stores the document with _id first and answers its id', async (on) => {
    const doc = { z: 1, a: [1, { b: null }], 'ü é': 'ß', '': true }
    assert.deepEqual(await on.data.createDocument({ db: on.db, id: 'x', doc }), { id: 'x' })
    const found = await on.get('x')
    assert.deepEqual(found, { _id: 'x', ...doc })
    assert.equal(Object.keys(found)[0], '_id')
    assert.deepEqual(await on.data.createDocument({ db: on.db, id: 'bare', doc: {} }), { id: 'bare' })
    assert.deepEqual(await on.get('bare'), { _id: 'bare' })
  })

  rule('create: an id that is taken is a conflict and changes nothing', async (on) => {
    await on.add({ _id: 'x', n: 1 })
    await on.fails('DOCUMENT_EXISTS', on.data.createDocument({ db: on.db, id: 'x', doc: { n: 2 } }))
    assert.deepEqual(await on.get('x'), { _id: 'x', n: 1 })
  })

  rule('create: of many at once for one id exactly one succeeds', async (on) => {
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => on.data.createDocument({ db: on.db, id: 'x', doc: { n } })),
    )
    const winners = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []))
    assert.equal(winners.length, 1)
    assert.deepEqual(await on.get('x'), { _id: 'x', n: winners[0] })
  })

  rule('retrieve: a missing document is reported', async (on) => {
    await on.fails('DOCUMENT_NOT_FOUND', on.get('nope'))
    await on.fails('DOCUMENT_NOT_FOUND', on.data.removeDocument({ db: on.db, id: 'nope' }))
  })

  rule('update: replaces whole documents, creates missing ones, and is fine when nothing changes', async (on) => {
    await on.add({ _id: 'x', a: 1, b: { c: 2 } })
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await on.data.updateDocument({ db: on.db, id: 'x', doc: { b: { d: 3 } } }), { id: 'x' })
      assert.deepEqual(await on.get('x'), { _id: 'x', b: { d: 3 } })
    }
    await on.data.updateDocument({ db: on.db, id: 'x', doc: {} })
    assert.deepEqual(await on.get('x'), { _id: 'x' })
    await on.data.updateDocument({ db: on.db, id: 'new', doc: { _id: 'new', _deleted: true, ok: false } })
    assert.deepEqual(await on.get('new'), { _id: 'new', _deleted: true, ok: false })
    await on.fails('INVALID_ARGUMENTS', on.data.updateDocument({ db: on.db, id: 'x', doc: { _id: 'y' } }))
    await on.fails('INVALID_ARGUMENTS', on.data.updateDocument({ db: on.db, id: 'x', doc: { $set: { a: 1 } } }))
    assert.deepEqual(await on.get('x'), { _id: 'x' })
  })

  rule('update: many at once leave one of them, whole', async (on) => {
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => on.data.updateDocument({ db: on.db, id: 'x', doc: { n, twice: n * 2 } })),
    )
    const { n, twice } = await on.get('x')
    assert.equal(twice, Number(n) * 2)
    assert.equal((await on.list()).length, 1)
  })

  rule('remove: the document is gone, a second time is reported', async (on) => {
    await on.add({ _id: 'x' }, { _id: 'y' })
    assert.deepEqual(await on.data.removeDocument({ db: on.db, id: 'x' }), { id: 'x' })
    await on.fails('DOCUMENT_NOT_FOUND', on.data.removeDocument({ db: on.db, id: 'x' }))
    await on.fails('DOCUMENT_NOT_FOUND', on.get('x'))
    assert.deepEqual(await on.list(), [{ _id: 'y' }])
  })

  rule('ids: any well-formed text is an id of its own', async (on) => {
    const ids = [
      ' ',
      'A',
      'a',
      '_query',
      '.',
      '..',
      'a/b',
      '%',
      '%25',
      "'",
      '"',
      '\\',
      '$x',
      '__proto__',
      'constructor',
    ]
    ids.push('toString', '0', '00', 'é', 'e\u0301', '\u{1f600}', '\uffff', '\n', 'null', 'x'.repeat(1_000))
    for (const id of ids) await on.data.createDocument({ db: on.db, id, doc: { is: id } })
    for (const id of ids) assert.deepEqual(await on.get(id), { _id: id, is: id })
    assert.equal((await on.list()).length, ids.length)
    for (const id of ids) assert.deepEqual(await on.ids({ _id: id }), [id])
  })

  rule('ids: empty ones, NULs and lone surrogates are refused', async (on) => {
    for (const id of ['', 'a\0b', '\ud800', 'x\udc00']) {
      await on.fails('KEY_INVALID', on.data.createDocument({ db: on.db, id, doc: {} }))
      await on.fails('KEY_INVALID', on.data.bulkDocuments({ db: on.db, docs: [{ _id: 'fine' }, { _id: id }] }))
    }
    assert.deepEqual(await on.list(), [])
  })

  rule('values: JSON comes back as it was, numbers and odd members included', async (on) => {
    const doc = JSON.parse(
      '{"_id":"x","__proto__":{"a":1},"constructor":2,"$dollar":3,"dot.ted":4,"n":[0,-1,0.1,1e308,5e-324,9007199254740991],' +
        '"t":"a\\u0000b\\ud800\\u2028\\u00e9","e":{},"l":[],"nested":[[[]],{"a":[null]}],"b":[true,false]}',
    ) as Document
    await on.add(doc)
    assert.equal(JSON.stringify(await on.get('x')), JSON.stringify(doc))
    assert.equal(JSON.stringify((await on.query({}))[0]), JSON.stringify(doc))
  })

  rule('values: a document of 7 MB is kept', async (on) => {
    const text = 'größer '.repeat(900_000)
    await on.data.createDocument({ db: on.db, id: 'large', doc: { text, n: 1 } })
    assert.equal((await on.get('large')).text, text)
    assert.deepEqual(await on.ids({ n: 1 }), ['large'])
  })

  rule('values: what a database’s own format has no room for is kept as it was, and found', async (on) => {
    const texts: Record<string, string> = {
      surrogates: '{"_id":"surrogates","t":"\\ud800","\\udc00":{"n":1}}',
      dollars: '{"_id":"dollars","$set":{"n":1},"r":{"$ref":"a.b","$id":1,"$db":"c"},"n":2}',
      types: '{"_id":"types","o":{"_bsontype":"ObjectId","id":"x"},"d":{"$date":"2020-01-01"},"_bsontype":"Long"}',
      marks: '{"_id":"marks","_deflated":true,"_json":"x","_deleted":1,"_update":0}',
      numbered: '{"_id":"numbered","1":"b","10":"c","2":{"1":0,"a":1,"":2},"z":0,"a":1}',
      dots: '{"_id":"dots","a.b":{"c.d":1},".":2,"..":3}',
      numbers:
        '{"_id":"numbers","n":[2147483647,2147483648,-2147483649,9007199254740993,1e21,-1e-7,4.9e-324,0.1,1.0,100]}',
      proto:
        '{"_id":"proto","o":{"__proto__":{"n":1},"constructor":[{"a":1},[2]],"toString":1,"length":0,"toJSON":{}}}',
      controls: '{"_id":"controls","t":"\\u0000\\u0001\\u007f\\u2028\\ufeff\\uffff","\\n":"\\t"}',
      deep: `{"_id":"deep","d":${'['.repeat(998)}${'{"n":1}'}${']'.repeat(998)}}`,
      wide: `{"_id":"wide","w":[${'1,'.repeat(1_500_000)}2]}`,
    }
    const docs = Object.values(texts).map((text) => JSON.parse(text) as Document)
    for (const doc of docs) {
      const id = String(doc._id)
      await on.data.createDocument({ db: on.db, id, doc })
      await on.fails('DOCUMENT_EXISTS', on.data.createDocument({ db: on.db, id, doc: {} }))
    }
    const kept = async () => {
      for (const doc of docs) {
        const id = String(doc._id)
        const text = JSON.stringify(doc)
        assert.ok(JSON.stringify(await on.get(id)) === text, `${id} retrieved`)
        assert.ok(JSON.stringify((await on.query({ selector: { _id: id } }))[0]) === text, `${id} found`)
      }
      const listed = await on.list({ keys: Object.keys(texts).join() })
      assert.deepEqual(
        listed.map(({ _id }) => _id),
        Object.keys(texts).sort(),
      )
      assert.ok(listed.every((doc) => JSON.stringify(doc) === JSON.stringify(JSON.parse(texts[String(doc._id)] ?? ''))))
    }
    await kept()
    for (const doc of docs.filter((doc) => !('$set' in doc))) {
      await on.data.updateDocument({ db: on.db, id: String(doc._id), doc })
    }
    await on.data.bulkDocuments({ db: on.db, docs: docs.filter(({ _deleted }) => !_deleted) })
    await kept()
    const found: [Record<string, unknown>, string][] = [
      [{ t: '\ud800' }, 'surrogates'],
      [{ t: { $exists: true } }, 'controls surrogates'],
      [{ n: { $gt: 1.5 } }, 'dollars numbers'],
      [{ n: 2 }, 'dollars'],
      [{ 'o.id': 'x' }, 'types'],
      [{ _deflated: true }, 'marks'],
      [{ _json: { $type: 'string' } }, 'marks'],
      [{ '2.a': 1 }, 'numbered'],
      [{ o: { _bsontype: 'ObjectId', id: 'x' } }, 'types'],
      [{ t: '\u0000\u0001\u007f\u2028\ufeff\uffff' }, 'controls'],
    ]
    for (const [selector, expected] of found) {
      assert.equal((await on.ids(selector)).join(' '), expected, JSON.stringify(selector))
    }
  })

  rule('values: what JSON has no word for becomes what it would in a request', async (on) => {
    const doc = { a: -0, b: Number.NaN, c: undefined, d: [undefined, Number.POSITIVE_INFINITY], e: new Date(0) }
    await on.data.createDocument({ db: on.db, id: 'x', doc })
    const expected = '{"_id":"x","a":0,"b":null,"d":[null,null],"e":"1970-01-01T00:00:00.000Z"}'
    assert.equal(JSON.stringify(await on.get('x')), expected)
    await on.data.bulkDocuments({ db: on.db, docs: [{ _id: 'x', ...doc }] })
    assert.equal(JSON.stringify(await on.get('x')), expected)
    assert.deepEqual(await on.ids({ a: 0, b: null }), ['x'])
    assert.deepEqual(await on.ids({ a: -0, c: { $exists: false } }), ['x'])
  })

  rule('values: too deep ones and names with a NUL are refused, and nothing of their bulk is written', async (on) => {
    const depth = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown
    for (const bad of [{ d: depth(1_000) }, { d: { a: depth(5_000) } }, { 'a\0b': 1 }, { o: [{ '\0': 1 }] }]) {
      await on.fails('INVALID_ARGUMENTS', on.data.createDocument({ db: on.db, id: 'x', doc: bad }))
      await on.fails('INVALID_ARGUMENTS', on.data.updateDocument({ db: on.db, id: 'x', doc: bad }))
      const docs = [{ _id: 'fine' }, { _id: 'x', ...bad }, { _id: 'x' }]
      await on.fails('INVALID_ARGUMENTS', on.data.bulkDocuments({ db: on.db, docs }))
      await on.fails('DATABASE_NOT_FOUND', on.data.createDocument({ db: on.name(), id: 'x', doc: bad }))
    }
    assert.deepEqual(await on.list(), [])
  })

  rule('values: among those in another form, sorts, limits and pages stay as they are', async (on) => {
    const ids = Array.from({ length: 60 }, (_, n) => `x${String(n).padStart(2, '0')}`)
    await on.add(...ids.map((_id, n) => ({ _id, n: n % 7, ...(n % 5 === 0 ? { odd: '\udfff' } : {}) })))
    const expected = ids
      .map((_id, n) => ({ _id, n: n % 7 }))
      .sort((a, b) => b.n - a.n || (a._id < b._id ? -1 : 1))
      .map(({ _id }) => _id)
    const sort = [{ n: 'DESC' }, { _id: 'ASC' }]
    const found = async (query: Record<string, unknown>) => (await on.query(query)).map(({ _id }) => _id)
    assert.deepEqual(await found({ sort, limit: 100 }), expected)
    assert.deepEqual(await found({ sort, limit: 10, skip: 13 }), expected.slice(13, 23))
    assert.deepEqual(await found({ sort, selector: { n: { $gte: 5 } }, limit: 5, skip: 3 }), expected.slice(3, 8))
    assert.equal((await found({ selector: { n: 3 } })).length, 9)
    assert.equal((await found({})).length, 25)
    assert.deepEqual(await on.ids({ odd: { $regex: '^[^a]$' }, n: 0 }), ['x00', 'x35'])
    assert.equal(
      JSON.stringify(await on.query({ selector: { _id: 'x05' }, fields: ['odd'] })),
      JSON.stringify([{ odd: '\udfff' }]),
    )
    await on.data.removeDocument({ db: on.db, id: 'x05' })
    assert.deepEqual(await on.data.emptyDatabase({ db: on.db }), { count: 59 })
  })

  rule('list: all documents by the bytes of their ids', async (on) => {
    const ids = ['b', 'a', 'B', '10', '9', 'é', 'z', '\u{1f600}', '\uffff', 'aa']
    await on.add(...ids.map((_id) => ({ _id })))
    const sorted = [...ids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const listed = async (options: Record<string, unknown>) => (await on.list(options)).map(({ _id }) => _id)
    assert.deepEqual(await listed({}), sorted)
    assert.deepEqual(await listed({ descending: 'true' }), [...sorted].reverse())
    assert.deepEqual(await listed({ descending: 'false' }), sorted)
  })

  rule('list: bounds are inclusive whatever the direction, an empty one is none', async (on) => {
    await on.add(...['a', 'b', 'c', 'd', 'e'].map((_id) => ({ _id })))
    const listed = async (options: Record<string, unknown>) => (await on.list(options)).map(({ _id }) => _id).join('')
    assert.equal(await listed({ startkey: 'b', endkey: 'd' }), 'bcd')
    assert.equal(await listed({ startkey: 'b', endkey: 'd', descending: 'true' }), 'dcb')
    assert.equal(await listed({ startkey: 'bb' }), 'cde')
    assert.equal(await listed({ endkey: 'bb' }), 'ab')
    assert.equal(await listed({ startkey: '', endkey: '' }), 'abcde')
    assert.equal(await listed({ startkey: 'd', endkey: 'b' }), '')
  })

  rule('list: keys are answered by id, unknown ones left out, within the bounds', async (on) => {
    await on.add(...['a', 'b', 'c', 'd'].map((_id) => ({ _id })))
    const listed = async (options: Record<string, unknown>) => (await on.list(options)).map(({ _id }) => _id).join('')
    assert.equal(await listed({ keys: 'd,a,nope,a' }), 'ad')
    assert.equal(await listed({ keys: 'd,a', descending: 'true' }), 'da')
    assert.equal(await listed({ keys: 'd,a,c', startkey: 'b' }), 'cd')
    assert.equal(await listed({ keys: 'a,b,c', limit: '2' }), 'ab')
    assert.equal(await listed({ keys: '' }), 'abcd')
  })

  rule('list: limit cuts, 0 is none, a negative one counts as its absolute value', async (on) => {
    await on.add(...Array.from({ length: 30 }, (_, i) => ({ _id: String(i).padStart(2, '0') })))
    const lengths = []
    for (const limit of [undefined, '0', 0, '2', 2, '2abc', -3, 100]) lengths.push((await on.list({ limit })).length)
    assert.deepEqual(lengths, [30, 30, 30, 2, 2, 2, 3, 30])
    assert.deepEqual(await on.list({ limit: 2, descending: true }), [{ _id: '29' }, { _id: '28' }])
    await on.fails('INVALID_ARGUMENTS', on.list({ limit: 'abc' }))
  })

  rule('pages: more than one page is told completely, by list and by query', async (on) => {
    const count = 2_600
    await on.add(...Array.from({ length: count }, (_, n) => ({ _id: String(n).padStart(4, '0'), n: (n * 7) % count })))
    const all = await on.list()
    assert.deepEqual(
      all.map(({ _id }) => Number(_id)),
      Array.from({ length: count }, (_, n) => n),
    )
    assert.equal((await on.list({ descending: true, startkey: '0100', limit: 2_400 })).at(-1)?._id, '0200')
    const found = await on.query({ sort: [{ n: 'DESC' }], limit: 2_500, skip: 50 })
    assert.deepEqual(
      found.map(({ n }) => n),
      Array.from({ length: 2_500 }, (_, i) => count - 51 - i),
    )
    assert.equal(new Set((await on.query({ limit: 5_000 })).map(({ _id }) => _id)).size, count)
    const large = { text: 'x'.repeat(400_000) }
    await on.data.emptyDatabase({ db: on.db })
    for (const _id of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await on.add({ _id, ...large })
    assert.equal((await on.list()).map(({ _id }) => _id).join(''), 'abcdefg')
    assert.equal((await on.query({ sort: ['_id'], skip: 1 })).map(({ _id }) => _id).join(''), 'bcdefg')
  })

  rule('query: without a limit 25 documents, 0 is 25 too, a negative one its absolute value', async (on) => {
    await on.add(...Array.from({ length: 30 }, (_, i) => ({ _id: `x${i}`, n: i })))
    const lengths = []
    for (const limit of [undefined, 0, '0', 10, '10', -4, 100]) lengths.push((await on.query({ limit })).length)
    assert.deepEqual(lengths, [25, 25, 25, 10, 10, 4, 30])
    assert.equal((await on.query({ selector: {}, skip: 10 })).length, 20)
    assert.deepEqual(
      (await on.query({ sort: ['n'], limit: 2, skip: '3', use_index: 'nope' })).map(({ n }) => n),
      [3, 4],
    )
    await on.fails('INVALID_ARGUMENTS', on.query({ skip: -1 }))
  })

  for (const [what, cases] of Object.entries(MATCHES)) {
    rule(`query: ${what}`, async (on) => {
      await on.add(...SAMPLES)
      for (const [selector, expected] of cases) {
        if (leaveOut(selector)) continue
        assert.equal((await on.ids(selector)).join(' '), expected, JSON.stringify(selector))
      }
    })
  }

  for (const [what, cases] of Object.entries(GEO_MATCHES)) {
    rule(`query: ${what}`, async (on) => {
      await on.add(...PLACES)
      for (const [selector, expected] of cases) {
        assert.equal((await on.ids(selector)).join(' '), expected, JSON.stringify(selector))
      }
    })
  }

  rule('query: $mod finds no number of more than 64 bits', async (on) => {
    await on.add(
      { _id: 'a', n: 2 ** 62 },
      { _id: 'b', n: 2 ** 63 },
      { _id: 'c', n: 1e300 },
      { _id: 'd', n: -(2 ** 64) },
    )
    assert.deepEqual(await on.ids({ n: { $mod: [2, 0] } }), ['a'])
  })

  rule('query: a malformed shape is an error that names the operator', async (on) => {
    for (const [operator, operand] of BAD_SHAPES) {
      const found = on.query({ selector: { at: { [operator]: operand } } })
      const text = JSON.stringify(operand).slice(0, 200)
      await assert.rejects(found, { code: 'QUERY_INVALID', message: new RegExp(`^\\${operator} takes`) }, text)
    }
  })

  rule('query: what is unknown, refused or misused is an error, with documents and without', async (on) => {
    const invalid = [
      ...[{ $where: 'true' }, { $not: { a: 1 } }, { $foo: 1 }, { $text: { $search: 'a' } }, { a: { $foo: 1 } }],
      ...[
        { a: { $where: 'x' } },
        { $expr: { $function: { body: 'x', args: [], lang: 'js' } } },
        { $and: [] },
        { $or: {} },
      ],
      ...[
        { a: { $in: 1 } },
        { a: { $in: [{ $gt: 1 }] } },
        { a: { $not: 1 } },
        { a: { $regex: '(' } },
        { a: { $regex: 1 } },
      ],
      ...[
        { a: { $regex: 'a', $options: 'q' } },
        { a: { $options: 'i' } },
        { a: { $mod: [0, 1] } },
        { a: { $mod: [2] } },
      ],
      ...[
        { a: { $size: -1 } },
        { a: { $size: 'x' } },
        { a: { $type: 'boolean' } },
        { a: { $type: 'absent' } },
        { a: { $all: 1 } },
        { $nor: [1] },
      ],
      ...[{ a: { $elemMatch: 1 } }, { a: { $gt: 1, $bar: 2 } }, { a: { $beginsWith: 'x' } }, { a: { $allMatch: {} } }],
      ...[{ a: { $keyMapMatch: {} } }, { a: { $near: [0, 0] } }, { $or: [{ a: 1 }, { b: { $nope: 1 } }] }],
      ...[{ a: { $not: { $nope: 1 } } }, { a: { $elemMatch: { b: { $nope: 1 } } } }],
      ...[
        { $ref: '#' },
        { $schema: 'http://json-schema.org/draft-04/schema#' },
        { properties: { a: { $ref: '#' } } },
        { anyOf: [{ definitions: {} }] },
        { items: [{ format: 'email' }] },
        { properties: { a: { type: 'integer' } } },
        { bsonType: 'nope' },
        { nope: 1 },
        { required: [] },
        { enum: [] },
        { exclusiveMaximum: true },
        { maximum: 1, exclusiveMaximum: 1 },
      ].map(($jsonSchema) => ({ $jsonSchema })),
    ]
    for (const docs of [[], SAMPLES]) {
      await on.add(...docs)
      for (const selector of invalid) {
        await assert.rejects(on.query({ selector }), { code: 'QUERY_INVALID' }, JSON.stringify(selector))
      }
    }
  })

  rule('query: prototypes cannot be reached', async (on) => {
    await on.add({ _id: 'x', a: 1 })
    for (const path of ['__proto__', 'a.__proto__', 'constructor.name', 'a.prototype']) {
      await on.fails('QUERY_INVALID', on.query({ selector: JSON.parse(`{${JSON.stringify(path)}:1}`) }))
      await on.fails('QUERY_INVALID', on.query({ sort: [path] }))
      await on.fails('QUERY_INVALID', on.query({ fields: [path] }))
    }
    assert.equal(({} as Record<string, unknown>).a, undefined)
  })

  rule('fields: only what is listed, _id too, in the order of the document', async (on) => {
    await on.add({ _id: 'x', a: 1, b: { c: 2, d: [{ e: 3, f: 4 }, 5, { f: 6 }] }, g: null })
    const cases: [string[], string][] = [
      [['a'], '{"a":1}'],
      [['g', 'a', '_id'], '{"_id":"x","a":1,"g":null}'],
      [['nope'], '{}'],
      [['b.c'], '{"b":{"c":2}}'],
      [['b.d.e'], '{"b":{"d":[{"e":3},{}]}}'],
      [['a.b'], '{}'],
      [[], '{"a":1,"b":{"c":2,"d":[{"e":3,"f":4},5,{"f":6}]},"g":null}'],
    ]
    for (const [fields, expected] of cases) assert.equal(JSON.stringify((await on.query({ fields }))[0]), expected)
    await on.fails('QUERY_INVALID', on.query({ fields: ['b', 'b.c'] }))
  })

  for (const [what, { sort, docs, expected }] of Object.entries(SORTED)) {
    rule(`sort: ${what}`, async (on) => {
      await on.add(...docs)
      const found = async () => (await on.query({ sort, limit: 100 })).map(({ _id }) => _id).join(' ')
      assert.equal(await found(), expected)
      for (const [i, fields] of [sort, ['v']].entries()) {
        await on.data.indexDocuments({ db: on.db, name: `i${i}`, fields })
      }
      assert.equal(await found(), expected)
    })
  }

  rule('sort: only the first member of each object counts, an unknown direction is refused', async (on) => {
    await on.add({ _id: 'a', n: 1, m: 2 }, { _id: 'b', n: 1, m: 1 }, { _id: 'c', n: 2, m: 0 })
    assert.equal(
      (await on.query({ sort: [{ n: 'DESC', m: 'ASC' }, { m: 'ASC' }] })).map(({ _id }) => _id).join(''),
      'cba',
    )
    await on.fails('INVALID_UNION', on.query({ sort: [{ n: 'desc' }] }))
    await on.fails('INVALID_UNION', on.query({ sort: ['n', { m: 'ASC' }] }))
  })

  rule('index: the same request again is fine, the same fields under another name too', async (on) => {
    const index = { db: on.db }
    for (const name of ['one', 'one', 'two']) {
      await on.data.indexDocuments({ ...index, name, fields: ['a', 'b'] })
    }
    await on.data.indexDocuments({ ...index, name: 'one', fields: [{ a: 'ASC' }, { b: 'ASC' }] })
    await on.fails('INDEX_CONFLICT', on.data.indexDocuments({ ...index, name: 'one', fields: ['b', 'a'] }))
    await on.fails(
      'INDEX_CONFLICT',
      on.data.indexDocuments({ ...index, name: 'one', fields: [{ a: 'DESC' }, { b: 'ASC' }] }),
    )
    const partialFilter = { a: { $gt: 1 } }
    await on.fails(
      'INDEX_CONFLICT',
      on.data.indexDocuments({ db: on.db, name: 'one', fields: ['a', 'b'], partialFilter }),
    )
    await on.fails('QUERY_INVALID', on.data.indexDocuments({ ...index, name: 'none', fields: [] }))
    for (const bad of [{ a: { $nope: 1 } }, { a: { $regex: 'x' } }, { a: { $ne: 1 } }, { a: { $exists: false } }]) {
      await on.fails(
        'QUERY_INVALID',
        on.data.indexDocuments({ db: on.db, name: 'bad', fields: ['a'], partialFilter: bad }),
      )
    }
  })

  rule('index: takes any document, however its fields are made', async (on) => {
    const odd = [
      { _id: 'both', a: [1, 2], b: [3, 4] },
      { _id: 'inner', a: { b: [[1], { c: [2] }] }, b: [{ '0': 1 }, 2] },
      { _id: 'long', a: 'x'.repeat(5_000), b: { c: 'y'.repeat(5_000) } },
    ]
    for (const when of ['before', 'after']) {
      await on.add(...odd.map((doc) => ({ ...doc, _id: `${when}-${doc._id}` })))
      if (when === 'before') {
        for (const [i, fields] of [['a', 'b'], ['a.b', 'b'], ['b.0'], ['b', 'b.c'], ['a', 'a']].entries()) {
          await on.data.indexDocuments({ db: on.db, name: `i${i}`, fields })
        }
      }
    }
    assert.deepEqual(await on.ids({ a: 2, b: 4 }), ['after-both', 'before-both'])
    assert.deepEqual(await on.ids({ b: 2 }), ['after-inner', 'before-inner'])
    const sorted = await on.query({ sort: ['b', 'a', '_id'], limit: 10 })
    assert.equal(
      sorted.map(({ _id }) => _id).join(' '),
      'after-inner before-inner after-both before-both after-long before-long',
    )
  })

  rule('index: there may be any number of them, of any name', async (on) => {
    const names = Array.from({ length: 70 }, (_, n) => `i${n}`)
    names.push('_id_', '*', '$', 'a b', ' ', 'x'.repeat(300))
    for (const [n, name] of names.entries()) {
      await on.data.indexDocuments({ db: on.db, name, fields: [`f${n}`] })
    }
    for (const name of names) {
      await on.fails('INDEX_CONFLICT', on.data.indexDocuments({ db: on.db, name, fields: ['other'] }))
    }
    await on.add({ _id: 'x', f3: 1, f69: 2 })
    assert.deepEqual(await on.ids({ f3: 1, f69: 2 }), ['x'])
  })

  rule('index: never changes what a query finds, made before the documents or after', async (on) => {
    const indexes: [string[], Record<string, unknown> | undefined][] = [
      [['n'], undefined],
      [['s'], { s: { $exists: true } }],
      [['tags'], undefined],
      [['o.p', 'n'], { n: { $gt: 0 } }],
      [['n', 's'], { b: true }],
      [['s'], { n: { $in: [1, '1'] } }],
      [['b'], { $or: [{ n: null }, { _id: { $in: ['a', 'b'] } }], s: { $type: 'string' } }],
    ]
    const makeIndexes = async () => {
      for (const [i, [fields, partialFilter]] of indexes.entries()) {
        await on.data.indexDocuments({ db: on.db, name: `i${i}`, fields, partialFilter })
      }
    }
    const check = async () => {
      for (const [what, cases] of Object.entries(MATCHES)) {
        for (const [selector, expected] of cases) {
          if (leaveOut(selector)) continue
          assert.equal((await on.ids(selector)).join(' '), expected, `${what}: ${JSON.stringify(selector)}`)
        }
      }
    }
    await on.add(...SAMPLES)
    await makeIndexes()
    await check()
    await on.data.removeDatabase({ db: on.db })
    await on.data.createDatabase({ db: on.db })
    await makeIndexes()
    await on.add(...SAMPLES)
    await check()
  })

  rule('bulk: in order, the last of one id wins, removals among them, one result each', async (on) => {
    await on.add({ _id: 'old', n: 0 }, { _id: 'gone', n: 0 })
    const docs = [
      ...[
        { _id: 'a', n: 1 },
        { _id: 'old', m: 1 },
        { _id: 'gone', _deleted: true },
        { _id: 'never', _deleted: true },
      ],
      ...[
        { _id: 'a', n: 2 },
        { _id: 'b', _deleted: false, _update: true, k: 1 },
        { _id: 'c' },
        { _id: 'c', _deleted: 1 },
      ],
    ]
    const { results } = await on.data.bulkDocuments({ db: on.db, docs })
    assert.deepEqual(
      results,
      docs.map(({ _id }) => ({ ok: true, id: _id })),
    )
    assert.deepEqual(await on.list(), [
      { _id: 'a', n: 2 },
      { _id: 'b', _deleted: false, k: 1 },
      { _id: 'old', m: 1 },
    ])
    assert.deepEqual(await on.data.bulkDocuments({ db: on.db, docs: [] }), { results: [] })
  })

  rule('bulk: without an id nothing is written', async (on) => {
    for (const bad of [{ n: 1 }, { _id: 5 }, { _id: null }]) {
      await on.fails('INVALID_ARGUMENTS', on.data.bulkDocuments({ db: on.db, docs: [{ _id: 'fine' }, bad] }))
    }
    await on.fails('INVALID_ARGUMENTS', on.data.bulkDocuments({ db: on.db, docs: [{ _id: 'fine' }, 'text'] }))
    assert.deepEqual(await on.list(), [])
  })

  rule('bulk: many at once all count', async (on) => {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        on.add(...Array.from({ length: 20 }, (_, k) => ({ _id: `${i}-${k}` })), { _id: 'shared', i }),
      ),
    )
    assert.equal((await on.list()).length, 401)
  })

  rule('lifecycle: what was acknowledged is there after reopening, indexes too', async (on) => {
    await on.add({ _id: 'a', n: 1 }, { _id: 'b', n: [2] })
    await on.data.createDocument({ db: on.db, id: 'c', doc: { n: '3' } })
    await on.data.removeDocument({ db: on.db, id: 'a' })
    await on.data.indexDocuments({ db: on.db, name: 'n', fields: ['n'] })
    await on.reopen()
    assert.deepEqual(await on.list(), [
      { _id: 'b', n: [2] },
      { _id: 'c', n: '3' },
    ])
    assert.deepEqual(await on.ids({ n: 2 }), ['b'])
    await on.fails('INDEX_CONFLICT', on.data.indexDocuments({ db: on.db, name: 'n', fields: ['m'] }))
    await on.fails('DATABASE_EXISTS', on.data.createDatabase({ db: on.db }))
    assert.ok((await on.data.listDatabases({})).names.includes(on.db))
  })

  rule('lifecycle: check answers, close may be repeated, nothing works after it', async (on) => {
    await on.data.check()
    await on.data.close()
    await on.data.close()
    await on.fails('CLOSED', on.get('a'))
    await on.fails('CLOSED', on.data.check())
    await on.reopen()
  })
}
