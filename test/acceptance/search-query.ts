/** hyper-api §7: whole words, their matches and their order; §1.11 S7. */
import assert from 'node:assert/strict'
import { type Domain, inEmptyDomain, inIndex } from './case.ts'
import { answers, refuses } from './http.ts'
import { ask, type Match, matches } from './searching.ts'

async function load({ onSearch }: Domain, texts: Record<string, unknown>): Promise<void> {
  const json = Object.entries(texts).map(([_id, text]) => ({ _id, text }))
  assert.equal((await onSearch('POST', '/_bulk', { json })).status, 201)
}

async function finds(domain: Domain, q: string | object, keys: string[]): Promise<void> {
  const ids = (await matches(domain, q)).map(({ id }) => id).sort()
  assert.deepEqual(ids, keys.toSorted(), JSON.stringify(q))
}

export const searchQueryCases = [
  // What is asked

  ...inIndex('hyper-api 1.11 S7, 2.2: a query is a string, with fields and filter of their types', async (domain) => {
    const { onSearch } = domain
    refuses(await onSearch('POST', '/_query'), 422, "Invalid Arguments 'q': Required.")
    refuses(await ask(domain, {}), 422, "Invalid Arguments 'q': Required.")
    for (const [json, message] of [
      [{ query: 5 }, 'Expected string, received number'],
      [{ query: null }, 'Expected string, received null'],
      [{ query: ['a'] }, 'Expected string, received array'],
      [{ query: 'a', fields: 'title' }, 'Expected array, received string'],
      [{ query: 'a', fields: [1] }, 'Expected string, received number'],
      [{ query: 'a', filter: [] }, 'Expected object, received array'],
      [{ query: 'a', filter: 'x' }, 'Expected object, received string'],
    ] as const) {
      refuses(await ask(domain, json), 422, `Invalid Arguments 'q': ${message}.`)
    }
    refuses(await ask(domain, []), 422)
  }),
  ...inEmptyDomain('hyper-api 1.11 S7, corner 37: an empty query is 422, on a missing index too', async (domain) => {
    refuses(await ask(domain, { query: '' }), 422, 'query is required!')
    refuses(await ask(domain, { query: 'x' }), 404, 'index does not exist')
    await domain.onSearch('PUT', '', { json: { fields: ['a'] } })
    refuses(await ask(domain, { query: '' }), 422, 'query is required!')
  }),
  ...inIndex('hyper-api 7: a query of separators alone matches nothing', async (domain) => {
    await load(domain, { a: 'word - , .', b: '' })
    for (const query of [' ', ' - ', '.,;!?', '\n\t', '—“”']) await finds(domain, query, [])
  }),

  // Words

  ...inIndex('hyper-api 7, corner 35: words match whole, in any case, any of them', async (domain) => {
    await load(domain, { a: 'Hello World', b: 'hello there', c: 'other things', d: 'HELLOWORLD' })
    await finds(domain, 'hello', ['a', 'b'])
    await finds(domain, 'HELLO', ['a', 'b'])
    await finds(domain, 'hello world', ['a', 'b'])
    await finds(domain, 'world things', ['a', 'c'])
    await finds(domain, 'hel', [])
    await finds(domain, 'ello', [])
    await finds(domain, 'helo', [])
    await finds(domain, 'hellos', [])
    await finds(domain, 'thing', [])
  }),
  ...inIndex('hyper-api 7: there are no stop words', async (domain) => {
    await load(domain, { a: 'to be or not to be', b: 'the a an I' })
    for (const [query, keys] of [
      ['to', ['a']],
      ['not', ['a']],
      ['or', ['a']],
      ['the', ['b']],
      ['i', ['b']],
      ['a', ['b']],
    ] as const) {
      await finds(domain, query, [...keys])
    }
  }),
  ...inIndex('hyper-api 7: words end at white space and punctuation, also hyphen and underscore', async (domain) => {
    await load(domain, { a: 'well-known snake_case (in) "quotes", e.g. half\u2014dash\u00a0nbsp\nline/slash @at #tag' })
    const words = ['well', 'known', 'snake', 'case', 'in', 'quotes', 'e', 'g', 'half', 'dash', 'nbsp', 'line', 'slash']
    for (const word of [...words, 'at', 'tag', 'well-known', 'WELL_KNOWN']) await finds(domain, word, ['a'])
    await finds(domain, 'wellknown', [])
  }),
  ...inIndex('hyper-api 7: letters of any script, digits and marks make words', async (domain) => {
    await load(domain, { a: 'Über Ünïcode', b: 'Привет мир', c: '東京 タワー', d: 'v2 42 3rd', e: 'uber' })
    await finds(domain, 'über', ['a'])
    await finds(domain, 'ÜNÏCODE', ['a'])
    await finds(domain, 'uber', ['e'])
    await finds(domain, 'привет', ['b'])
    await finds(domain, '東京', ['c'])
    await finds(domain, '東', [])
    await finds(domain, 'v2', ['d'])
    await finds(domain, '42', ['d'])
    await finds(domain, '4', [])
  }),
  ...inIndex('hyper-api 7: symbols are no punctuation and stay in their words', async (domain) => {
    await load(domain, { a: 'c++ code', b: 'c code', c: 'costs $5', d: '😀 face' })
    await finds(domain, 'c++', ['a'])
    await finds(domain, 'c', ['b'])
    await finds(domain, '$5', ['c'])
    await finds(domain, '5', [])
    await finds(domain, '😀', ['d'])
  }),
  ...inIndex('hyper-api 7: a query knows no operators', async (domain) => {
    await load(domain, { a: 'hello world', b: 'other and or not near', c: 'title text' })
    for (const [query, keys] of [
      ['hel*', []],
      ['"hello other"', ['a', 'b']],
      ['title:hello', ['a', 'c']],
      ['-hello', ['a']],
      ['^hello', []],
      ['hello AND world', ['a', 'b']],
      ['NOT hello', ['a', 'b']],
      ['NEAR(hello world)', ['a', 'b']],
      ["hello' OR 1=1 --", ['a', 'b']],
      ['{title text}: hello', ['a', 'c']],
      ['(((', []],
      ['*', []],
      ['hello"', ['a']],
    ] as const) {
      await finds(domain, query, [...keys])
    }
  }),
  ...inIndex('hyper-api 7: values that are no text are searched as text', async (domain) => {
    await load(domain, {
      number: 1.5,
      true: true,
      list: ['red', 'green blue', 3],
      nothing: null,
      zero: 0,
      deep: [['nested'], null],
    })
    await finds(domain, '1', ['number'])
    await finds(domain, '5', ['number'])
    await finds(domain, 'true', ['true'])
    await finds(domain, 'red', ['list'])
    await finds(domain, 'blue', ['list'])
    await finds(domain, '3', ['list'])
    await finds(domain, 'null', [])
    await finds(domain, '0', ['zero'])
    await finds(domain, 'nested', ['deep'])
  }),
  ...inIndex('hyper-api 7: only the index’s fields are searched', async ({ onSearch, ...domain }) => {
    const whole = { ...domain, onSearch }
    await onSearch('POST', '', { json: { key: 'k', doc: { title: 'yes', year: 1984, note: 'no' } } })
    await finds(whole, 'yes', ['k'])
    await finds(whole, '1984', [])
    await finds(whole, 'no', [])
    await finds(whole, 'k', [])
  }),
  ...inEmptyDomain('hyper-api 7: a field is a member of the document by its whole name', async (domain) => {
    await domain.onSearch('PUT', '', { json: { fields: ['a.b', '__proto__', 'x y', 'ü', '"q"'] } })
    const doc = '{"a":{"b":"nested"},"a.b":"flat","__proto__":"proto","x y":"space","ü":"umlaut","\\"q\\"":"quote"}'
    const headers = { 'content-type': 'application/json' }
    const reply = await domain.onSearch('POST', '', { headers, body: `{"key":"k","doc":${doc}}` })
    answers(reply, 201, { ok: true })
    for (const query of ['flat', 'space', 'umlaut', 'quote']) await finds(domain, query, ['k'])
    await finds(domain, 'nested', [])
  }),

  // Fields and filters

  ...inIndex('hyper-api 7: fields restricts where the words are looked for', async (domain) => {
    const docs = [
      { _id: 'a', title: 'word' },
      { _id: 'b', text: 'word' },
      { _id: 'c', tags: ['word'] },
    ]
    await domain.onSearch('POST', '/_bulk', { json: docs })
    await finds(domain, { query: 'word' }, ['a', 'b', 'c'])
    await finds(domain, { query: 'word', fields: ['title'] }, ['a'])
    await finds(domain, { query: 'word', fields: ['title', 'tags'] }, ['a', 'c'])
    await finds(domain, { query: 'word', fields: ['unknown'] }, [])
    await finds(domain, { query: 'word', fields: ['unknown', 'text'] }, ['b'])
    await finds(domain, { query: 'word', fields: ['year'] }, [])
  }),
  ...inIndex('hyper-api 7, corner 35: a filter is strictly equal to what is stored', async (domain) => {
    const docs = [
      { _id: 'a', title: 'word', year: 1984, text: 'x' },
      { _id: 'b', title: 'word', year: '1984', text: 'x' },
      { _id: 'c', title: 'word up', year: null },
      { _id: 'd', title: 'word', year: [1984] },
    ]
    await domain.onSearch('POST', '/_bulk', { json: docs })
    await finds(domain, { query: 'word', filter: { year: 1984 } }, ['a'])
    await finds(domain, { query: 'word', filter: { year: '1984' } }, ['b'])
    await finds(domain, { query: 'word', filter: { year: null } }, ['c'])
    await finds(domain, { query: 'word', filter: { year: [1984] } }, [])
    await finds(domain, { query: 'word', filter: { year: 1984, title: 'word' } }, ['a'])
    await finds(domain, { query: 'word', filter: { year: 1984, title: 'other' } }, [])
    await finds(domain, { query: 'word', filter: { title: 'Word' } }, [])
    await finds(domain, { query: 'word', filter: { text: 'x' } }, [])
    await finds(domain, { query: 'word', filter: { unknown: 'x' } }, [])
    await finds(domain, { query: 'word', filter: {} }, ['a', 'b', 'c', 'd'])
  }),

  // Matches

  ...inIndex('hyper-api 7: a match tells the words, where they were, and the stored fields', async (domain) => {
    const doc = { title: 'Hello World', text: 'hello again, world-wide', year: 1984, tags: ['x'] }
    await domain.onSearch('POST', '', { json: { key: 'k', doc } })
    const [match, ...others] = await matches(domain, 'HELLO wide missing')
    assert.equal(others.length, 0)
    const { score, terms, queryTerms, match: places, ...rest } = match as Match
    assert.ok(typeof score === 'number' && score > 0)
    assert.deepEqual([...(terms as string[])].sort(), ['hello', 'wide'])
    assert.deepEqual([...(queryTerms as string[])].sort(), ['hello', 'wide'])
    const sorted = Object.entries(places as Record<string, string[]>).map(([term, fields]) => [term, fields.toSorted()])
    assert.deepEqual(Object.fromEntries(sorted), { hello: ['text', 'title'], wide: ['text'] })
    assert.deepEqual(rest, { id: 'k', title: 'Hello World', year: 1984 })
  }),
  ...inIndex('hyper-api 7: a stored field that the document lacks is absent', async (domain) => {
    await load(domain, { k: 'word' })
    const [match] = await matches(domain, 'word')
    assert.deepEqual(Object.keys(match as Match).sort(), ['id', 'match', 'queryTerms', 'score', 'terms'])
  }),
  ...inEmptyDomain('hyper-api 7: without storeFields a match has none', async (domain) => {
    await domain.onSearch('PUT', '', { json: { fields: ['text'] } })
    await load(domain, { k: 'word' })
    const [match] = await matches(domain, 'word')
    assert.deepEqual(Object.keys(match as Match).sort(), ['id', 'match', 'queryTerms', 'score', 'terms'])
  }),
  ...inEmptyDomain('hyper-api 7: stored fields called id or score win', async (domain) => {
    await domain.onSearch('PUT', '', { json: { fields: ['text'], storeFields: ['id', 'score', 'terms'] } })
    const doc = { text: 'word', id: 'mine', score: 'high', terms: 5 }
    await domain.onSearch('POST', '', { json: { key: 'k', doc } })
    const [match] = await matches(domain, 'word')
    assert.deepEqual([match?.id, match?.score, match?.terms], ['mine', 'high', 5])
  }),
  ...inIndex('hyper-api 7: the best match comes first', async (domain) => {
    const padding = 'some more text that says nothing of it at all '
    await load(domain, {
      both: 'rare common',
      rare: 'rare things',
      common: 'common things',
      long: `common ${padding.repeat(5)}`,
      ...Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`filler${n}`, 'common filler words'])),
    })
    const list = await matches(domain, 'rare common')
    const scores = list.map(({ score }) => score)
    assert.deepEqual(
      scores,
      scores.toSorted((one, other) => other - one),
    )
    const ids = list.map(({ id }) => id)
    assert.equal(ids.length, 24)
    assert.deepEqual(ids.slice(0, 2), ['both', 'rare'])
    assert.equal(ids.at(-1), 'long')
  }),
  ...inIndex('hyper-api 7: a word said often counts more', async (domain) => {
    await load(domain, { once: 'word other other other', often: 'word word word other' })
    assert.deepEqual(
      (await matches(domain, 'word')).map(({ id }) => id),
      ['often', 'once'],
    )
  }),
  ...inIndex('hyper-api 7: there is no limit and no paging', async (domain) => {
    const texts = Object.fromEntries(Array.from({ length: 2_500 }, (_, n) => [`k${n}`, `word ${n}`]))
    await load(domain, texts)
    await finds(domain, 'word', Object.keys(texts))
    await finds(domain, { query: 'word', filter: { title: 'x' } }, [])
  }),
  ...inIndex('hyper-api 7: a query of a thousand words is a query', async (domain) => {
    await load(domain, { a: 'needle', b: 'w500' })
    await finds(domain, `${Array.from({ length: 1_000 }, (_, n) => `w${n}`).join(' ')} needle`, ['a', 'b'])
    await finds(domain, 'x'.repeat(100_000), [])
  }),
]
