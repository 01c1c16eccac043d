/** The search suite is worth what it catches: adapters broken in one way each, every one of which must make it red. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createSqliteSearch } from '../adapters/search/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import {
  type Match,
  type SearchDocument,
  type SearchPort,
  type SearchQuery,
  searchPort,
} from '../server/ports/search.ts'
import { searchSuite } from './conformance/search.ts'
import { type Case, ignore, type Mutant, proveSuite } from './helpers/mutants.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-search-mutants-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface BrokenAdapter extends Mutant {
  /** What differs from `real`. */
  breaks(real: SearchPort): Partial<SearchPort>
}

/** A mutant whose queries are other ones, or whose matches are changed. */
function ofQuery(
  name: string,
  rule: string,
  change: { q?: (q: SearchQuery) => SearchQuery; matches?: (matches: Match[], q: SearchQuery) => Match[] },
): BrokenAdapter {
  return {
    name,
    rule,
    breaks: (real) => ({
      query: async ({ index, q }) => {
        const found = await collect(await real.query({ index, q: change.q?.(q) ?? q }))
        const matches = found.map((match) => decode(match))
        return { items: change.matches?.(matches, q) ?? matches }
      },
    }),
  }
}

const mutants: BrokenAdapter[] = [
  {
    name: 'an index made twice is fine',
    rule: 'indexes: making one twice',
    breaks: (real) => ({ createIndex: (args) => real.createIndex(args).catch(ignore('SEARCH_INDEX_EXISTS')) }),
  },
  {
    name: 'indexes by UTF-16 units',
    rule: 'indexes: names come back',
    breaks: (real) => ({
      listIndexes: async (args) => ({ names: (await real.listIndexes(args)).names.sort() }),
    }),
  },
  {
    name: 'indexes know no capitals',
    rule: '',
    breaks: (real) => ({
      indexDoc: (args) => real.indexDoc({ ...args, index: args.index.toLowerCase() }),
      query: (args) => real.query({ ...args, index: args.index.toLowerCase() }),
    }),
  },
  {
    name: 'a deleted index keeps its documents for the next of its name',
    rule: '',
    breaks: (real) => {
      const gone = new Set<string>()
      return {
        deleteIndex: async ({ index }) => {
          if (!(await real.listIndexes({})).names.includes(index)) return real.deleteIndex({ index })
          gone.add(index)
        },
        createIndex: async (args) => (gone.delete(args.index) ? undefined : real.createIndex(args)),
        listIndexes: async (args) => ({
          names: (await real.listIndexes(args)).names.filter((name) => !gone.has(name)),
        }),
      }
    },
  },
  {
    name: 'deleting a missing index is fine',
    rule: 'missing index:',
    breaks: (real) => ({ deleteIndex: (args) => real.deleteIndex(args).catch(ignore('SEARCH_INDEX_NOT_FOUND')) }),
  },
  {
    name: 'a missing index is made by the first document',
    rule: '',
    breaks: (real) => ({
      indexDoc: (args) =>
        real.indexDoc(args).catch(async (error: unknown) => {
          ignore('SEARCH_INDEX_NOT_FOUND')(error)
          await real.createIndex({ index: args.index, mappings: { fields: [] } })
          await real.indexDoc(args)
        }),
    }),
  },
  {
    name: 'adding nothing to a missing index is fine',
    rule: 'missing index:',
    breaks: (real) => ({ bulk: async (args) => (args.docs.length === 0 ? { results: [] } : real.bulk(args)) }),
  },
  {
    name: 'emptying removes the index',
    rule: 'emptyIndex:',
    breaks: (real) => ({
      emptyIndex: async (args) => {
        const counted = await real.emptyIndex(args)
        await real.deleteIndex(args)
        return counted
      },
    }),
  },
  {
    name: 'emptying keeps the words',
    rule: '',
    breaks: (real) => {
      const old: Match[] = []
      return {
        emptyIndex: async (args) => {
          const found = await collect(await real.query({ ...args, q: { query: 'word' } }))
          old.push(...found.map((match) => decode(match)))
          return real.emptyIndex(args)
        },
        query: async (args) => ({ items: [...old, ...(await collect(await real.query(args)))] }),
      }
    },
  },
  {
    name: 'adding overwrites',
    rule: '',
    breaks: (real) => ({
      indexDoc: (args) =>
        real.indexDoc(args).catch((error: unknown) => {
          ignore('SEARCH_DOCUMENT_EXISTS')(error)
          return real.updateDoc(args)
        }),
    }),
  },
  {
    name: 'a document without an _id gets none',
    rule: '',
    breaks: (real) => ({
      getDoc: async (args) => {
        const { key, doc } = await real.getDoc(args)
        const { _id, ...rest } = decode(doc)
        return { key, doc: _id === key ? rest : { _id, ...rest } }
      },
    }),
  },
  {
    name: 'the _id of a document is its key',
    rule: '',
    breaks: (real) => ({
      indexDoc: (args) => real.indexDoc({ ...args, key: typeof args.doc._id === 'string' ? args.doc._id : args.key }),
    }),
  },
  {
    name: 'matches carry the _id',
    rule: '',
    breaks: (real) => {
      const ids = new Map<string, unknown>()
      return {
        indexDoc: async (args) => {
          await real.indexDoc(args)
          ids.set(args.key, args.doc._id ?? args.key)
        },
        query: async (args) => ({
          items: (await collect(await real.query(args))).map((match) => {
            const decoded = decode(match)
            return { ...decoded, id: String(ids.get(decoded.id) ?? decoded.id) }
          }),
        }),
      }
    },
  },
  {
    name: 'update merges',
    rule: '',
    breaks: (real) => ({
      updateDoc: async (args) => {
        const { doc } = await real.getDoc(args)
        await real.updateDoc({ ...args, doc: { ...decode(doc), ...args.doc } })
      },
    }),
  },
  {
    name: 'update adds what is missing',
    rule: 'update: what is not there',
    breaks: (real) => ({
      updateDoc: (args) =>
        real.updateDoc(args).catch((error: unknown) => {
          ignore('SEARCH_DOCUMENT_NOT_FOUND')(error)
          return real.indexDoc(args)
        }),
    }),
  },
  {
    name: 'update leaves the words as they were',
    rule: '',
    breaks: (real) => {
      const current = new Map<string, SearchDocument>()
      return {
        updateDoc: async (args) => {
          await real.getDoc(args)
          current.set(args.key, Object.hasOwn(args.doc, '_id') ? args.doc : { _id: args.key, ...args.doc })
        },
        getDoc: async (args) => {
          const found = await real.getDoc(args)
          return { ...found, doc: current.get(args.key) ?? found.doc }
        },
      }
    },
  },
  {
    name: 'removing what is missing is fine',
    rule: '',
    breaks: (real) => ({ removeDoc: (args) => real.removeDoc(args).catch(ignore('SEARCH_DOCUMENT_NOT_FOUND')) }),
  },
  {
    name: 'removed documents are still found',
    rule: '',
    breaks: (real) => {
      const removed: Match[] = []
      return {
        removeDoc: async (args) => {
          const found = await collect(await real.query({ index: args.index, q: { query: 'word' } }))
          removed.push(...found.map((match) => decode(match)).filter(({ id }) => id === args.key))
          await real.removeDoc(args)
        },
        query: async (args) => ({ items: [...removed, ...(await collect(await real.query(args)))] }),
      }
    },
  },
  {
    name: 'a bulk adds what it can before it is refused',
    rule: 'bulk conflict:',
    breaks: (real) => ({
      bulk: async ({ index, docs }) => {
        const results: { ok: true; id: string }[] = []
        if (docs.length === 0) return real.bulk({ index, docs })
        for (const doc of docs) results.push(...(await real.bulk({ index, docs: [doc] })).results)
        return { results }
      },
    }),
  },
  {
    name: 'a bulk skips what is there',
    rule: 'bulk conflict:',
    breaks: (real) => ({
      bulk: (args) =>
        real.bulk(args).catch((error: unknown) => {
          ignore('SEARCH_DOCUMENT_EXISTS')(error)
          return { results: [] }
        }),
    }),
  },
  {
    name: 'a bulk answers in order of keys',
    rule: 'bulk: adds each',
    breaks: (real) => ({
      bulk: async (args) => ({ results: (await real.bulk(args)).results.sort((a, b) => (a.id < b.id ? -1 : 1)) }),
    }),
  },
  ofQuery('a document needs every word', '', {
    matches: (matches, { query }) => matches.filter(({ terms }) => terms.length === query.trim().split(/\s+/).length),
  }),
  ofQuery('a plural finds the singular', 'words whole', {
    q: (q) => ({ ...q, query: q.query.replaceAll(/(?<=cat|dog)s\b/g, '') }),
  }),
  ofQuery('words lose their accents', '', {
    q: (q) => ({ ...q, query: q.query.normalize('NFD').replaceAll(/\p{M}/gu, '') }),
  }),
  ofQuery('letters are made compatible', 'words of any script', {
    q: (q) => ({ ...q, query: q.query.normalize('NFKC') }),
  }),
  ofQuery('ten words of a query are read', 'query long', {
    q: (q) => ({ ...q, query: q.query.split(' ').slice(0, 10).join(' ') || ' ' }),
  }),
  {
    name: 'so many words of a text are read',
    rule: 'words far',
    breaks: (real) => ({
      indexDoc: ({ doc, ...at }) => {
        const { text } = doc
        const read =
          typeof text === 'string' && text.length > 200_000 ? text.split(' ').slice(0, 65_535).join(' ') : text
        return real.indexDoc({ ...at, doc: { ...doc, text: read } })
      },
    }),
  },
  ofQuery('symbols separate words', '', { q: (q) => ({ ...q, query: q.query.replaceAll(/\p{S}/gu, ' ') || ' ' }) }),
  ofQuery('AND, OR and NOT are operators', 'words no language', {
    q: (q) => ({ ...q, query: q.query.replaceAll(/\b(AND|OR|NOT)\b/g, '') }),
  }),
  ofQuery('long words are cut off', 'words long', {
    matches: (matches, { query }) => (query.length > 30_000 ? [{ ...(matches[0] as Match), id: '0' }] : matches),
  }),
  ofQuery('fields are ignored', 'query fields', { q: ({ fields: _, ...q }) => q }),
  ofQuery('no field stands for all', 'query fields', {
    q: ({ fields, ...q }) => ({ ...q, fields: fields?.length === 0 ? undefined : fields }),
  }),
  ofQuery('the filter is ignored', '', { q: ({ filter: _, ...q }) => q }),
  ofQuery('the filter compares texts', 'query filter', {
    q: ({ filter: _, ...q }) => q,
    matches: (matches, { filter = {} }) =>
      matches.filter((match) => Object.entries(filter).every(([name, value]) => String(match[name]) === String(value))),
  }),
  ofQuery('the filter compares deeply', 'query filter', {
    q: ({ filter: _, ...q }) => q,
    matches: (matches, { filter = {} }) =>
      matches.filter((match) =>
        Object.entries(filter).every(([name, value]) => JSON.stringify(match[name]) === JSON.stringify(value)),
      ),
  }),
  ofQuery('worst first', '', { matches: (matches) => matches.toReversed() }),
  ofQuery('at most twenty matches', 'all matches', { matches: (matches) => matches.slice(0, 20) }),
  ofQuery('stored fields do not come back', '', {
    matches: (matches) =>
      matches.map(({ id, score, terms, queryTerms, match }) => ({ id, score, terms, queryTerms, match })),
  }),
  ofQuery('generated members win over stored fields', 'match stored', {
    matches: (matches) => matches.map((match) => ({ ...match, id: match.id === 'own' ? 'k1' : match.id })),
  }),
  ofQuery('queryTerms are the whole query', 'match', {
    matches: (matches, { query }) => matches.map((match) => ({ ...match, queryTerms: query.toLowerCase().split(' ') })),
  }),
  {
    name: 'only the first page is found',
    rule: 'all matches',
    breaks: (real) => ({ query: async (args) => ({ items: (await real.query(args)).items }) }),
  },
  {
    name: 'writes are acknowledged before they are made',
    rule: '',
    breaks: (real) => ({
      updateDoc: async (args) => {
        await real.getDoc(args)
        setTimeout(() => real.updateDoc(args).catch(() => {}), 2)
      },
    }),
  },
]

function casesOn(mutant?: BrokenAdapter): Case[] {
  const cases: Case[] = []
  searchSuite({
    test: (name, run) => cases.push({ name, run }),
    create: async () => {
      const directory = mkdtempSync(join(root, 'case-'))
      const open = () => {
        const real = createSqliteSearch({ directory })
        return guard(searchPort, { ...real, ...mutant?.breaks(real) })
      }
      return { search: open(), reopen: async () => open() }
    },
  })
  return cases
}

proveSuite(mutants, casesOn)
