/**
 * What every search adapter must do (server/ports/search.ts, hyper-api §7): hand it your runner's `test` and a factory.
 * Each case is named `<rule>: <behaviour>` and runs on an adapter of its own with one index, `i`, made for it: the fields `title`
 * and `text` are searched, `title`, `year` and `tags` are stored.
 */
import assert from 'node:assert/strict'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { Mappings, Match, SearchDocument, SearchPort, SearchQuery } from '../../server/ports/search.ts'

export interface SearchUnderTest {
  /** `guard(searchPort, adapter)` over storage that nobody else uses. */
  search: Guarded<SearchPort>
  /** A second guarded adapter over the same storage, asked for after `search` is closed. Absent: nothing outlives a close. */
  reopen?: () => Promise<Guarded<SearchPort>>
}

export interface SearchSuiteOptions {
  /** Registers a case with the runner: `node:test`'s `test`, or any function of this shape. */
  test: (name: string, run: () => Promise<void>) => unknown
  create: () => Promise<SearchUnderTest>
}

const MAPPINGS: Mappings = { fields: ['title', 'text'], storeFields: ['title', 'year', 'tags'] }

type Options = Omit<SearchQuery, 'query'>

interface Fixture extends SearchUnderTest {
  add(key: string, doc: SearchDocument): Promise<void>
  /** Adds one document for each text, under its place in the list. */
  addTexts(...texts: unknown[]): Promise<void>
  update(key: string, doc: SearchDocument): Promise<void>
  remove(key: string): Promise<void>
  get(key: string): Promise<SearchDocument>
  matches(query: string, options?: Options): Promise<Match[]>
  /** Keys of the matches, in no order. */
  found(query: string, options?: Options): Promise<string[]>
}

export function searchSuite({ test, create }: SearchSuiteOptions): void {
  function rule(name: string, run: (fixture: Fixture) => Promise<void>): void {
    test(name, async () => {
      const made = await create()
      const { search } = made
      const matches = (query: string, options: Options = {}) => matchesOf(search, 'i', { query, ...options })
      const add = (key: string, doc: SearchDocument) => search.indexDoc({ index: 'i', key, doc })
      try {
        await search.createIndex({ index: 'i', mappings: MAPPINGS })
        await run({
          ...made,
          add,
          addTexts: async (...texts) => {
            for (const [place, text] of texts.entries()) await add(String(place), { text })
          },
          update: (key, doc) => search.updateDoc({ index: 'i', key, doc }),
          remove: (key) => search.removeDoc({ index: 'i', key }),
          get: async (key) => decode((await search.getDoc({ index: 'i', key })).doc),
          matches,
          found: async (query, options) => (await matches(query, options)).map(({ id }) => id).sort(),
        })
      } finally {
        await search.close()
      }
    })
  }

  // Indexes

  rule('indexes: making one twice is SEARCH_INDEX_EXISTS and harms nothing', async ({ search, add, found }) => {
    await add('k', { title: 'word' })
    await refused(search.createIndex({ index: 'i', mappings: { fields: ['other'] } }), 'SEARCH_INDEX_EXISTS')
    assert.deepEqual(await found('word'), ['k'])
  })

  rule('indexes: names come back ascending by code point', async ({ search }) => {
    const names = ['b', 'B', 'a/b', '%2F', '"', "'; DROP TABLE indexes; --", 'ａ', '😀', '__proto__', ' ', '..']
    for (const index of names) await search.createIndex({ index, mappings: MAPPINGS })
    const expected = [...names, 'i'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    assert.deepEqual((await search.listIndexes({})).names, expected)
  })

  rule('indexes: a deleted one is gone, and made anew it is empty', async ({ search, add, get, found }) => {
    await add('k', { title: 'word' })
    await search.deleteIndex({ index: 'i' })
    assert.deepEqual((await search.listIndexes({})).names, [])
    await refused(get('k'), 'SEARCH_INDEX_NOT_FOUND')
    await search.createIndex({ index: 'i', mappings: { fields: ['other'], storeFields: [] } })
    await refused(get('k'), 'SEARCH_DOCUMENT_NOT_FOUND')
    await add('k', { title: 'word', other: 'thing' })
    assert.deepEqual(await found('word'), [])
    assert.deepEqual(await found('thing'), ['k'])
  })

  rule('indexes: each has its own documents', async ({ search, add, get, found }) => {
    await search.createIndex({ index: 'I', mappings: MAPPINGS })
    await add('k', { title: 'lower' })
    await search.indexDoc({ index: 'I', key: 'k', doc: { title: 'upper' } })
    assert.deepEqual(await found('lower upper'), ['k'])
    assert.deepEqual(await matchesOf(search, 'I', { query: 'lower' }), [])
    await search.deleteIndex({ index: 'I' })
    assert.equal((await get('k')).title, 'lower')
    assert.deepEqual(await found('lower'), ['k'])
  })

  rule('indexes: a name that is no text is NAME_INVALID on every method', async ({ search }) => {
    for (const index of ['', 'a\0', '\ud800']) {
      for (const call of indexCalls(search, index)) await refused(call(), 'NAME_INVALID')
      await refused(search.createIndex({ index, mappings: MAPPINGS }), 'NAME_INVALID')
    }
  })

  rule('indexes: mappings without a list of fields are refused', async ({ search }) => {
    for (const mappings of [
      {},
      { fields: 'title' },
      { fields: [5] },
      { fields: [], storeFields: 'x' },
      [],
      undefined,
    ]) {
      await refused(search.createIndex({ index: 'new', mappings }), 'INVALID_ARGUMENTS')
    }
    assert.deepEqual((await search.listIndexes({})).names, ['i'])
  })

  rule('indexes: without fields one keeps documents and finds none', async ({ search }) => {
    await search.createIndex({ index: 'none', mappings: { fields: [] } })
    await search.indexDoc({ index: 'none', key: 'k', doc: { title: 'word' } })
    assert.deepEqual(await matchesOf(search, 'none', { query: 'word' }), [])
    const { doc } = await search.getDoc({ index: 'none', key: 'k' })
    assert.deepEqual(decode(doc), { _id: 'k', title: 'word' })
  })

  rule('indexes: many fields, of any name, named twice or not', async ({ search }) => {
    const odd = ['', 'a.b', 'it"s', 'ROWID', '__proto__', 'constructor', 'x', 'x']
    const fields = [...odd, ...Array.from({ length: 60 }, (_, n) => `f${n}`)]
    await search.createIndex({ index: 'many', mappings: { fields, storeFields: ['__proto__', 'x', 'x', 'toString'] } })
    const doc = JSON.parse(
      '{"":"one","a.b":"two","it\\"s":"three","ROWID":"four","__proto__":"five","x":"six","a":{"b":"seven"}}',
    )
    await search.indexDoc({ index: 'many', key: 'k', doc: { ...doc, f59: 'last' } })
    await search.indexDoc({ index: 'many', key: 'other', doc: { f7: 'other' } })
    for (const [word, field] of Object.entries({
      one: '',
      two: 'a.b',
      three: 'it"s',
      four: 'ROWID',
      five: '__proto__',
      six: 'x',
    })) {
      const [match] = await matchesOf(search, 'many', { query: word })
      assert.deepEqual(match?.match, { [word]: [field] })
      assert.equal(Object.hasOwn(match ?? {}, '__proto__') && match?.x, 'six')
    }
    assert.equal((await matchesOf(search, 'many', { query: 'last seven' })).length, 1)
    for (const query of ['seven', 'function', 'native', 'object']) {
      assert.deepEqual(await matchesOf(search, 'many', { query }), [], query)
    }
  })

  rule('missing index: every method is SEARCH_INDEX_NOT_FOUND', async ({ search }) => {
    for (const call of indexCalls(search, 'nope')) await refused(call(), 'SEARCH_INDEX_NOT_FOUND')
    assert.deepEqual((await search.listIndexes({})).names, ['i'])
    await search.createIndex({ index: 'nope', mappings: MAPPINGS })
    await refused(search.getDoc({ index: 'nope', key: 'k' }), 'SEARCH_DOCUMENT_NOT_FOUND')
  })

  rule('emptyIndex: removes and counts the documents, keeps the mappings', async ({ search, add, get, matches }) => {
    await search.createIndex({ index: 'other', mappings: MAPPINGS })
    await search.indexDoc({ index: 'other', key: 'k', doc: {} })
    await add('a', { title: 'word' })
    await add('b', {})
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 2 })
    await refused(get('a'), 'SEARCH_DOCUMENT_NOT_FOUND')
    assert.deepEqual(await matches('word'), [])
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
    await add('c', { title: 'word' })
    assert.equal((await matches('word'))[0]?.title, 'word')
    assert.deepEqual(await search.emptyIndex({ index: 'other' }), { count: 1 })
  })

  // Documents

  rule('get: documents come back exactly as they went in', async ({ add, update, get }) => {
    const texts = [
      '{"_id":"own"}',
      '{"_id":null,"a":1}',
      '{"_id":"x","b":1,"a":{"c":[1,"two",null,true,{"d":[]}]}}',
      '{"_id":"x","__proto__":{"x":1},"constructor":"c","toString":0}',
      '{"_id":"x","n":[0.1,1e308,5e-324,-1,9007199254740991]}',
      '{"_id":"x","text":"quote\\" slash\\\\ nul\\u0000 line\\u2028 snow☃ pair😀"}',
      JSON.stringify({ _id: 'x', text: 'word '.repeat(5_000) }),
    ]
    for (const [number, text] of texts.entries()) {
      await add(`k${number}`, JSON.parse(text))
      assert.equal(JSON.stringify(await get(`k${number}`)), JSON.stringify(JSON.parse(text)))
      await update(`k${number}`, JSON.parse(text))
      assert.equal(JSON.stringify(await get(`k${number}`)), JSON.stringify(JSON.parse(text)))
    }
  })

  rule('get: a document without an _id has its key as one', async ({ add, update, get }) => {
    await add('k', { title: 'one' })
    assert.deepEqual(await get('k'), { _id: 'k', title: 'one' })
    await update('k', { id: 'other' })
    assert.deepEqual(await get('k'), { _id: 'k', id: 'other' })
  })

  rule('get: what is not there is SEARCH_DOCUMENT_NOT_FOUND', async ({ add, get }) => {
    await add('kk', {})
    for (const key of ['k', 'KK', 'kk ', 'word']) await refused(get(key), 'SEARCH_DOCUMENT_NOT_FOUND')
  })

  rule('keys: any text is one, each kept apart', async ({ search, add, get, found }) => {
    const odd = [
      'a',
      'A',
      'a/b',
      '%2F',
      '/',
      '..',
      'a b',
      ' ',
      '"',
      "'",
      '_query',
      '_bulk',
      'ä',
      'a\u0308',
      '😀',
      '__proto__',
      '0',
      '00',
      'k'.repeat(2_000),
    ]
    for (const key of odd) await add(key, { title: 'word', key })
    for (const key of odd) {
      assert.equal((await get(key)).key, key)
      assert.equal((await search.getDoc({ index: 'i', key })).key, key)
    }
    assert.deepEqual(await found('word'), [...odd].sort())
  })

  rule('keys: one that is no text is KEY_INVALID and stores nothing', async ({ search, add, get, update, remove }) => {
    for (const key of ['', 'a\0', '\ud800']) {
      for (const call of [add(key, {}), update(key, {}), get(key), remove(key)]) await refused(call, 'KEY_INVALID')
      await refused(search.bulk({ index: 'i', docs: [{ _id: key }] }), 'KEY_INVALID')
    }
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
  })

  rule('documents: only an object is one', async ({ search }) => {
    for (const doc of [undefined, null, 5, 'text', true, [], [{}]]) {
      await refused(search.indexDoc({ index: 'i', key: 'k', doc }), 'INVALID_ARGUMENTS')
      await refused(search.updateDoc({ index: 'i', key: 'k', doc }), 'INVALID_ARGUMENTS')
      await refused(search.bulk({ index: 'i', docs: [{ _id: 'a' }, doc] }), 'INVALID_ARGUMENTS')
    }
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
  })

  rule('identity: the key counts, whatever _id documents have', async ({ add, get, remove, found }) => {
    await add('a', { _id: 'same', title: 'word' })
    await add('b', { _id: 'same', title: 'word' })
    await add('c', { _id: 'a', title: 'word' })
    await refused(get('same'), 'SEARCH_DOCUMENT_NOT_FOUND')
    assert.deepEqual(await found('word'), ['a', 'b', 'c'])
    await remove('c')
    assert.deepEqual(await found('word'), ['a', 'b'])
    assert.equal((await get('a'))._id, 'same')
    await remove('a')
    assert.deepEqual(await found('word'), ['b'])
  })

  rule('add: a key that is there is SEARCH_DOCUMENT_EXISTS and keeps its document', async ({ add, get, found }) => {
    await add('k', { title: 'old' })
    await refused(add('k', { title: 'new' }), 'SEARCH_DOCUMENT_EXISTS')
    assert.equal((await get('k')).title, 'old')
    assert.deepEqual(await found('new'), [])
    assert.deepEqual(await found('old'), ['k'])
  })

  rule('add: of many at once on one key exactly one wins', async ({ add, get, found }) => {
    const tries = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => add('k', { n, text: `word w${n}` })))
    const won = tries.flatMap((outcome, n) => (outcome.status === 'fulfilled' ? [n] : []))
    assert.equal(won.length, 1)
    assert.equal((await get('k')).n, won[0])
    for (const lost of tries) if (lost.status === 'rejected') assert.equal(lost.reason.code, 'SEARCH_DOCUMENT_EXISTS')
    assert.deepEqual(await found('word'), ['k'])
    for (let n = 0; n < 50; n += 1) assert.deepEqual(await found(`w${n}`), n === won[0] ? ['k'] : [])
  })

  rule(
    'update: replaces the whole document, its words and its stored fields',
    async ({ add, update, get, found, matches }) => {
      await add('k', { title: 'old both', text: 'gone', year: 1 })
      await add('other', { title: 'old' })
      await update('k', { title: 'new both' })
      assert.deepEqual(await get('k'), { _id: 'k', title: 'new both' })
      assert.deepEqual(await found('old gone'), ['other'])
      const [match] = await matches('new')
      assert.deepEqual(match?.title, 'new both')
      assert.ok(!('year' in (match ?? {})))
      assert.deepEqual(await found('both'), ['k'])
      for (let n = 0; n < 20; n += 1) await update('k', { title: `turn${n}` })
      assert.deepEqual(await found('turn18 new both'), [])
      assert.deepEqual(await found('turn19'), ['k'])
    },
  )

  rule(
    'update: what is not there is SEARCH_DOCUMENT_NOT_FOUND and stores nothing',
    async ({ search, update, found }) => {
      await refused(update('k', { title: 'word' }), 'SEARCH_DOCUMENT_NOT_FOUND')
      assert.deepEqual(await found('word'), [])
      assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
    },
  )

  rule('remove: the document is gone from everywhere, others stay', async ({ add, remove, get, found, search }) => {
    await add('k', { title: 'word' })
    await add('k2', { title: 'word' })
    await remove('k')
    await refused(get('k'), 'SEARCH_DOCUMENT_NOT_FOUND')
    await refused(remove('k'), 'SEARCH_DOCUMENT_NOT_FOUND')
    assert.deepEqual(await found('word'), ['k2'])
    await add('k', { title: 'again' })
    assert.deepEqual(await found('word'), ['k2'])
    assert.deepEqual(await found('again'), ['k'])
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 2 })
  })

  // Bulk

  rule('bulk: adds each under its _id, else its id, in order', async ({ search, get, found }) => {
    const docs = [
      { _id: 'b', id: 'x', title: 'word' },
      { id: 'a', title: 'word' },
      { _id: null, id: 'c' },
    ]
    const { results } = await search.bulk({ index: 'i', docs })
    assert.deepEqual(
      results,
      ['b', 'a', 'c'].map((id) => ({ ok: true, id })),
    )
    assert.deepEqual(await get('a'), { id: 'a', title: 'word', _id: 'a' })
    assert.deepEqual(await get('b'), { _id: 'b', id: 'x', title: 'word' })
    assert.equal((await get('c'))._id, 'c')
    assert.deepEqual(await found('word'), ['a', 'b'])
  })

  rule('bulk: nothing to add is fine', async ({ search }) => {
    assert.deepEqual(await search.bulk({ index: 'i', docs: [] }), { results: [] })
  })

  rule('bulk conflict: a key that is there, or comes twice, adds nothing', async ({ search, add, get, found }) => {
    await add('old', { title: 'old' })
    for (const keys of [
      ['a', 'old', 'b'],
      ['a', 'b', 'a'],
    ]) {
      const docs = keys.map((_id) => ({ _id, title: 'word' }))
      await refused(search.bulk({ index: 'i', docs }), 'SEARCH_DOCUMENT_EXISTS')
      assert.deepEqual(await found('word'), [])
      await refused(get('a'), 'SEARCH_DOCUMENT_NOT_FOUND')
    }
    assert.deepEqual(await found('old'), ['old'])
    await search.bulk({ index: 'i', docs: [{ _id: 'a', title: 'word' }] })
    assert.deepEqual(await found('word'), ['a'])
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 2 })
  })

  rule('bulk keys: a document without a text as key adds nothing', async ({ search }) => {
    for (const doc of [{}, { _id: 5 }, { id: 5 }, { _id: '' }, { _id: 5, id: 'a' }]) {
      await refused(search.bulk({ index: 'i', docs: [{ _id: 'a' }, doc] }), 'KEY_INVALID')
    }
    for (const docs of [{}, undefined, 'a', null]) await refused(search.bulk({ index: 'i', docs }), 'INVALID_ARGUMENTS')
    assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
  })

  // Words

  rule('words any: a document matches with any word of the query', async ({ addTexts, found }) => {
    await addTexts('red apple', 'green apple', 'green pear', 'plum')
    assert.deepEqual(await found('apple'), ['0', '1'])
    assert.deepEqual(await found('red pear'), ['0', '2'])
    assert.deepEqual(await found('green nothing'), ['1', '2'])
    assert.deepEqual(await found('nothing'), [])
  })

  rule('words whole: no part, no likeness, no stem, no stop word', async ({ addTexts, found }) => {
    await addTexts('hello', 'running shoes', 'the cat', 'color')
    for (const query of ['hel', 'ello', 'hallo', 'hello*', 'run', 'shoe', 'cats', 'colour', 'helloworld']) {
      assert.deepEqual(await found(query), query === 'hello*' ? ['0'] : [], query)
    }
    assert.deepEqual(await found('the'), ['2'])
  })

  rule('words case: capitals do not count', async ({ addTexts, found }) => {
    await addTexts('Hello', 'ÉCOLE', 'ΟΔΟΣ')
    for (const query of ['hello', 'HELLO', 'hELLO']) assert.deepEqual(await found(query), ['0'], query)
    assert.deepEqual(await found('école'), ['1'])
    assert.deepEqual(await found('οδος'), ['2'])
  })

  rule('words letters: an accent makes another word', async ({ addTexts, found }) => {
    await addTexts('café', 'cafe', 'straße', 'naïve')
    assert.deepEqual(await found('café'), ['0'])
    assert.deepEqual(await found('cafe'), ['1'])
    assert.deepEqual(await found('strasse'), [])
    assert.deepEqual(await found('naive'), [])
  })

  rule('words separators: spaces, punctuation and control characters', async ({ addTexts, found }) => {
    await addTexts(
      'one-two',
      'one_two',
      'one.two,three',
      'one\ttwo\r\nthree',
      'one\u00a0two\u3000three',
      '«one»…two!',
      'it’s',
      'one/two\\three',
      'x\0y',
      '(one)[two]{three}',
    )
    assert.deepEqual(await found('one'), ['0', '1', '2', '3', '4', '5', '7', '9'])
    assert.deepEqual(await found('three'), ['2', '3', '4', '7', '9'])
    assert.deepEqual(await found('s'), ['6'])
    assert.deepEqual(await found('y'), ['8'])
    assert.deepEqual(await found('x\0y'), ['8'])
  })

  rule('words symbols: they belong to words', async ({ addTexts, found }) => {
    await addTexts('c++', 'c', '$5', '5', 'a|b', '😀', '☃ x', '`tick`', 'a=b<c>d^e~f')
    const table: [string, string[]][] = [
      ['c++', ['0']],
      ['c', ['1']],
      ['$5', ['2']],
      ['5', ['3']],
      ['a|b', ['4']],
      ['a', []],
      ['😀', ['5']],
      ['☃', ['6']],
      ['tick', []],
      ['`tick`', ['7']],
      ['A=B<C>D^E~F', ['8']],
    ]
    for (const [query, expected] of table) assert.deepEqual(await found(query), expected, query)
  })

  rule('words no language: what other engines read as operators is plain text', async ({ addTexts, found }) => {
    await addTexts('red', 'and', 'not', 'near')
    const table: [string, string[]][] = [
      ['red AND green', ['0', '1']],
      ['NOT red', ['0', '2']],
      ['"red green"', ['0']],
      ['-red', ['0']],
      ['text:red', ['0']],
      ['{text title}: red', ['0']],
      ['NEAR(red near, 2)', ['0', '3']],
      ['red*', ['0']],
      ['^red', []],
      ["red' OR 1=1 --", ['0']],
      ['red"', ['0']],
      ['((', []],
    ]
    for (const [query, expected] of table) assert.deepEqual(await found(query), expected, query)
  })

  rule('words of other values: what String() says of them; null has none', async ({ addTexts, found }) => {
    await addTexts(42, true, ['red', 'green apple', 7], null, 1.5, [], undefined, [null, ['deep']])
    assert.deepEqual(await found('42'), ['0'])
    assert.deepEqual(await found('true'), ['1'])
    assert.deepEqual(await found('apple'), ['2'])
    assert.deepEqual(await found('7'), ['2'])
    assert.deepEqual(await found('null undefined'), [])
    assert.deepEqual(await found('1 5'), ['4'])
    assert.deepEqual(await found('deep'), ['7'])
  })

  rule('words long: of any length, each told from the others', async ({ addTexts, found }) => {
    const long = 'x'.repeat(40_000)
    await addTexts(`${long}a`, `${long}b`, 'é'.repeat(900), 'é'.repeat(901))
    assert.deepEqual(await found(`${long}A`), ['0'])
    assert.deepEqual(await found(`${long}b`), ['1'])
    assert.deepEqual(await found(long), [])
    assert.deepEqual(await found('é'.repeat(900)), ['2'])
  })

  rule('words of any script: neither split nor joined, compared letter by letter', async ({ addTexts, found }) => {
    const texts = ['東京都', 'ﬁne', 'fine', 'e\u0301', 'é', 'ＡＢＣ', 'abc', 'sunflower', '1e3', 'nan', 'ﬀ'.repeat(200)]
    await addTexts(...texts)
    const table: [string, string[]][] = [
      ['東京', []],
      ['東京都', ['0']],
      ['ﬁne', ['1']],
      ['fine', ['2']],
      ['e\u0301', ['3']],
      ['é', ['4']],
      ['ａｂｃ', ['5']],
      ['abc', ['6']],
      ['sun flower', []],
      ['1000', []],
      ['1e3', ['8']],
      ['NaN', ['9']],
      ['ﬀ'.repeat(200), ['10']],
      ['ﬀ'.repeat(199), []],
    ]
    for (const [query, expected] of table) assert.deepEqual(await found(query), expected, query)
  })

  rule('words far: they are found wherever they are in a long text', async ({ addTexts, found }) => {
    await addTexts(`first ${Array.from({ length: 70_000 }, (_, n) => n % 1_000).join(' ')} last`)
    assert.deepEqual(await found('first'), ['0'])
    assert.deepEqual(await found('last'), ['0'])
  })

  // Queries

  rule('query long: each word of it counts', async ({ addTexts, found }) => {
    await addTexts('last', 'w700', 'other')
    const words = Array.from({ length: 1_200 }, (_, n) => `w${n}`).join(' ')
    assert.deepEqual(await found(`${words} last`), ['0', '1'])
  })

  rule('query empty: is QUERY_INVALID, before anything is looked at', async ({ search, matches }) => {
    await refused(matches(''), 'QUERY_INVALID')
    await refused(matchesOf(search, 'nope', { query: '' }), 'QUERY_INVALID')
  })

  rule('query without words: matches nothing', async ({ addTexts, matches }) => {
    await addTexts('word', '', ' ', '-')
    for (const query of [' ', '   ', '-', '_ . ,', '\n', '…']) assert.deepEqual(await matches(query), [], query)
  })

  rule('query arguments: of a wrong type are refused', async ({ search }) => {
    for (const q of [
      {},
      { query: 5 },
      { query: null },
      { query: 'a', fields: 'title' },
      { query: 'a', filter: [] },
      undefined,
      [],
    ]) {
      await refused(search.query({ index: 'i', q }), 'INVALID_ARGUMENTS')
    }
  })

  rule('query fields: only these are searched, unknown ones match nothing', async ({ add, found, matches }) => {
    await add('title', { title: 'word', text: 'other', year: 'word' })
    await add('text', { title: 'other', text: 'word' })
    assert.deepEqual(await found('word'), ['text', 'title'])
    assert.deepEqual(await found('word', { fields: ['title'] }), ['title'])
    assert.deepEqual(await found('word', { fields: ['text', 'nope'] }), ['text'])
    for (const fields of [['nope'], ['year'], []]) assert.deepEqual(await found('word', { fields }), [], String(fields))
    const [match] = await matches('other word', { fields: ['title', 'title'] })
    assert.equal(match?.terms.length, 1)
    for (const { match } of await matches('other word', { fields: ['title'] })) {
      assert.deepEqual(Object.values(match).flat(), ['title'])
    }
  })

  rule('query filter: strictly equal to the stored field', async ({ add, found }) => {
    await add('a', { title: 'word', year: 2020, tags: ['x'] })
    await add('b', { title: 'word', year: '2020', tags: { x: 1 } })
    await add('c', { title: 'word', year: null })
    await add('d', { title: 'word', text: 'yes' })
    const table: [Record<string, unknown>, string[]][] = [
      [{}, ['a', 'b', 'c', 'd']],
      [{ year: 2020 }, ['a']],
      [{ year: '2020' }, ['b']],
      [{ year: null }, ['c']],
      [{ year: 2020, title: 'word' }, ['a']],
      [{ year: 2020, title: 'other' }, []],
      [{ title: 'word' }, ['a', 'b', 'c', 'd']],
      [{ title: 'Word' }, []],
      [{ tags: ['x'] }, []],
      [{ tags: { x: 1 } }, []],
      [{ text: 'yes' }, []],
      [{ constructor: 'word' }, []],
    ]
    for (const [filter, expected] of table)
      assert.deepEqual(await found('word', { filter }), expected, JSON.stringify(filter))
  })

  // Matches

  rule('match: key, score, words, where they were found, and the stored fields', async ({ add, matches }) => {
    await add('k', { _id: 'own', title: 'Red-Apple', text: 'an apple', year: 2020, secret: 1 })
    const [match, ...others] = await matches('APPLE red nothing')
    assert.deepEqual(others, [])
    const { score, terms, queryTerms, match: where, ...rest } = match as Match
    assert.ok(score > 0)
    assert.deepEqual([...terms].sort(), ['apple', 'red'])
    assert.deepEqual([...queryTerms].sort(), ['apple', 'red'])
    assert.deepEqual(Object.keys(where).sort(), ['apple', 'red'])
    assert.deepEqual([...(where.apple ?? [])].sort(), ['text', 'title'])
    assert.deepEqual(where.red, ['title'])
    assert.deepEqual(rest, { id: 'k', title: 'Red-Apple', year: 2020 })
  })

  rule('match words: those named like members of every object are as good as others', async ({ add, matches }) => {
    await add('k', { title: 'constructor toString', text: 'constructor valueOf' })
    const [match] = await matches('constructor tostring')
    assert.deepEqual(Object.entries(match?.match ?? {}).sort(), [
      ['constructor', ['title', 'text']],
      ['tostring', ['title']],
    ])
  })

  rule('match stored: fields come back exactly, and win over generated members', async ({ search }) => {
    const storeFields = ['id', 'score', 'match', 'value']
    await search.createIndex({ index: 'j', mappings: { fields: ['text'], storeFields } })
    const value = { a: [1, null, { 'b"': 'é😀' }], n: 0.1 }
    await search.indexDoc({
      index: 'j',
      key: 'k1',
      doc: { text: 'word', id: 'own', score: 'high', match: null, value },
    })
    await search.indexDoc({ index: 'j', key: 'k2', doc: { text: 'word', value: false } })
    const [own, plain] = (await matchesOf(search, 'j', { query: 'word' })).sort((a, b) => (a.id < b.id ? 1 : -1))
    assert.deepEqual(own, { id: 'own', score: 'high', match: null, value, terms: ['word'], queryTerms: ['word'] })
    assert.equal(plain?.id, 'k2')
    assert.equal(plain?.value, false)
    assert.equal(typeof plain?.score, 'number')
    assert.deepEqual(plain?.match, { word: ['text'] })
  })

  rule('order: by descending score; more of the words are better than fewer', async ({ addTexts, matches }) => {
    await addTexts('red', 'red green blue', 'red green', 'blue blue', 'nothing')
    const found = await matches('red green blue')
    assert.equal(found[0]?.id, '1')
    assert.equal(found[1]?.id, '2')
    assert.deepEqual(found.map(({ id }) => id).sort(), ['0', '1', '2', '3'])
    for (const [place, { score }] of found.entries()) assert.ok(score <= (found[place - 1]?.score ?? score))
  })

  rule('all matches: many come once each, best first', async ({ search, matches }) => {
    const docs = Array.from({ length: 1_200 }, (_, n) => ({
      id: `k${n}`,
      text: n % 10 === 0 ? 'word rare' : 'word other',
      year: n % 2,
    }))
    await search.bulk({ index: 'i', docs })
    const all = await matches('word')
    assert.equal(all.length, 1_200)
    assert.equal(new Set(all.map(({ id }) => id)).size, 1_200)
    const both = (await matches('rare word')).map(({ terms }) => terms.length)
    assert.deepEqual(both.slice(0, 120), Array(120).fill(2))
    assert.equal(both.length, 1_200)
    assert.equal((await matches('word', { filter: { year: 1 } })).length, 600)
    assert.deepEqual(await matches('word', { filter: { year: 2 } }), [])
  })

  // Lifecycle

  rule('acknowledged: a write is seen by the read that follows it', async ({ add, update, remove, get, found }) => {
    for (let n = 0; n < 30; n += 1) {
      await add('k', { title: `a${n}` })
      assert.deepEqual(await found(`a${n}`), ['k'])
      await update('k', { title: `b${n}` })
      assert.deepEqual(await found(`a${n}`), [])
      assert.deepEqual(await found(`b${n}`), ['k'])
      await remove('k')
      assert.deepEqual(await found(`b${n}`), [])
      await refused(get('k'), 'SEARCH_DOCUMENT_NOT_FOUND')
    }
  })

  rule('close: may be repeated, and what comes after is CLOSED', async ({ search, add, get, matches }) => {
    await add('k', {})
    await search.check()
    await search.close()
    await search.close()
    await refused(get('k'), 'CLOSED')
    await refused(add('late', {}), 'CLOSED')
    await refused(matches('word'), 'CLOSED')
    await refused(search.check(), 'CLOSED')
  })

  rule('reopen: indexes, documents and words outlive a close', async ({ search, add, remove, reopen }) => {
    if (!reopen) return
    await add('k', { title: 'word', year: 2020 })
    await add('gone', { title: 'word' })
    await remove('gone')
    await search.close()
    const again = await reopen()
    try {
      assert.deepEqual((await again.listIndexes({})).names, ['i'])
      assert.deepEqual(decode((await again.getDoc({ index: 'i', key: 'k' })).doc), {
        _id: 'k',
        title: 'word',
        year: 2020,
      })
      const found = await matchesOf(again, 'i', { query: 'word' })
      assert.deepEqual(
        found.map(({ id, year }) => [id, year]),
        [['k', 2020]],
      )
      await again.indexDoc({ index: 'i', key: 'new', doc: { title: 'word' } })
      assert.equal((await matchesOf(again, 'i', { query: 'word' })).length, 2)
    } finally {
      await again.close()
    }
  })
}

/** One call of each method that needs an existing index. */
function indexCalls(search: Guarded<SearchPort>, index: string): (() => Promise<unknown>)[] {
  const doc = {}
  const key = 'k'
  return [
    () => search.emptyIndex({ index }),
    () => search.indexDoc({ index, key, doc }),
    () => search.getDoc({ index, key }),
    () => search.updateDoc({ index, key, doc }),
    () => search.removeDoc({ index, key }),
    () => search.bulk({ index, docs: [] }),
    () => search.bulk({ index, docs: [{ _id: 'k' }] }),
    () => search.query({ index, q: { query: 'word' } }),
    () => search.query({ index, q: { query: '-' } }),
    () => search.deleteIndex({ index }),
  ]
}

async function matchesOf(search: Guarded<SearchPort>, index: string, q: SearchQuery): Promise<Match[]> {
  return (await collect(await search.query({ index, q }))).map((match) => decode(match))
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError, `not a HyperError: ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}
