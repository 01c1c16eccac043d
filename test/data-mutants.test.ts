/** The data suite must notice broken adapters: each mutant breaks one promise of the real one and has to turn it red. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { collect, type Page } from '../server/ports/common.ts'
import { type DataPort, type Document, dataPort } from '../server/ports/data.ts'
import { dataSuite } from './conformance/data.ts'
import { type Case, type Mutant, proveSuite } from './helpers/mutants.ts'

const directory = mkdtempSync(join(tmpdir(), 'data-mutants-'))
after(() => rmSync(directory, { recursive: true, force: true }))

interface BrokenAdapter extends Mutant {
  /** What it does otherwise than `real`. */
  mutate(real: DataPort): Partial<DataPort>
}

const isMissing = (error: { code?: string }) => error.code === 'DOCUMENT_NOT_FOUND'

async function mapped(
  page: Promise<Page<Document>>,
  change: (docs: Document[]) => Document[],
): Promise<Page<Document>> {
  return { items: change((await collect(await page)).map(decode)) }
}

/** A page whose followers are forgotten. */
async function firstOf(page: Promise<Page<Document>>): Promise<Page<Document>> {
  return { items: (await page).items }
}

const MUTANTS: Record<string, Omit<BrokenAdapter, 'name'>> = {
  'creates over an existing document': {
    rule: ['create: ', 'values: what a database’s own format'],
    mutate: (real) => ({ createDocument: (args) => real.updateDocument(args) }),
  },
  'checks for a conflict before writing, not while': {
    rule: ['create: of many'],
    mutate: (real) => ({
      async createDocument(args) {
        const exists = await real.retrieveDocument(args).then(
          () => true,
          () => false,
        )
        return exists ? real.createDocument(args) : real.updateDocument(args)
      },
    }),
  },
  'merges instead of replacing': {
    rule: ['update: replaces'],
    mutate: (real) => ({
      async updateDocument({ db, id, doc }) {
        const old = await real.retrieveDocument({ db, id }).then(decode, (error) => {
          if (isMissing(error)) return {}
          throw error
        })
        return real.updateDocument({ db, id, doc: { ...old, ...doc } })
      },
    }),
  },
  'updates only what exists': {
    rule: ['update: '],
    mutate: (real) => ({
      async updateDocument(args) {
        await real.retrieveDocument(args)
        return real.updateDocument(args)
      },
    }),
  },
  'removes what is missing without a word': {
    rule: ['remove: ', 'retrieve: '],
    mutate: (real) => ({
      removeDocument: (args) =>
        real.removeDocument(args).catch((error) => {
          if (isMissing(error)) return { id: args.id }
          throw error
        }),
    }),
  },
  'folds the case of ids': {
    rule: ['ids: any'],
    mutate: (real) => ({
      createDocument: (args) => real.createDocument({ ...args, id: args.id.toLowerCase() }),
      retrieveDocument: (args) => real.retrieveDocument({ ...args, id: args.id.toLowerCase() }),
    }),
  },
  'lists by UTF-16 instead of bytes': {
    rule: ['list: all documents'],
    mutate: (real) => ({
      listDocuments: (args) =>
        mapped(real.listDocuments(args), (docs) => {
          const sorted = docs.sort((a, b) => (String(a._id) < String(b._id) ? -1 : 1))
          return args.descending ? sorted.reverse() : sorted
        }),
    }),
  },
  'swaps the bounds when descending': {
    rule: ['list: bounds', 'list: keys', 'pages: '],
    mutate: (real) => ({
      listDocuments: (args) =>
        real.listDocuments(args.descending ? { ...args, startkey: args.endkey, endkey: args.startkey } : args),
    }),
  },
  'excludes the upper bound': {
    rule: ['list: bounds'],
    mutate: (real) => ({
      listDocuments: (args) =>
        mapped(real.listDocuments(args), (docs) => docs.filter(({ _id }) => _id !== args.endkey)),
    }),
  },
  'takes limit 0 of a list for nothing': {
    rule: ['list: limit'],
    mutate: (real) => ({
      listDocuments: (args) => (args.limit === 0 ? Promise.resolve({ items: [] }) : real.listDocuments(args)),
    }),
  },
  'answers keys in the order asked': {
    rule: ['list: keys'],
    mutate: (real) => ({
      listDocuments: (args) =>
        mapped(real.listDocuments(args), (docs) => {
          const order = args.keys ?? []
          return docs.sort((a, b) => order.indexOf(String(a._id)) - order.indexOf(String(b._id)))
        }),
    }),
  },
  'forgets every page but the first': {
    rule: ['pages: '],
    mutate: (real) => ({
      listDocuments: (args) => firstOf(real.listDocuments(args)),
      queryDocuments: (args) => firstOf(real.queryDocuments(args)),
    }),
  },
  'finds any number without a limit': {
    rule: ['query: without a limit'],
    mutate: (real) => ({
      queryDocuments: ({ db, query }) => real.queryDocuments({ db, query: { ...query, limit: query.limit || 1_000 } }),
    }),
  },
  'finds nothing instead of refusing an operator': {
    rule: ['query: what is unknown', 'query: a malformed shape', 'query: prototypes', 'fields: ', 'index: '],
    mutate: (real) => ({
      queryDocuments: (args) =>
        real.queryDocuments(args).catch((error) => {
          if (error.code === 'QUERY_INVALID') return { items: [] }
          throw error
        }),
    }),
  },
  'never finds a missing member by null': {
    rule: ['query: equality with null', 'index: never'],
    mutate: (real) => ({
      queryDocuments: (args) =>
        mapped(real.queryDocuments(args), (docs) => {
          const nulls = Object.entries(args.query.selector ?? {}).filter(([, value]) => value === null)
          return docs.filter((doc) => nulls.every(([key]) => key.includes('.') || Object.hasOwn(doc, key)))
        }),
    }),
  },
  'always answers with _id': {
    rule: ['fields: '],
    mutate: (real) => ({
      queryDocuments: ({ db, query }) =>
        real.queryDocuments({
          db,
          query: query.fields?.length ? { ...query, fields: ['_id', ...query.fields] } : query,
        }),
    }),
  },
  'sorts numbers as text': {
    rule: ['sort: numbers', 'pages: '],
    mutate: (real) => ({
      queryDocuments: (args) =>
        mapped(real.queryDocuments(args), (docs) => {
          const isNumeric = docs.length > 0 && docs.every(({ v, n }) => typeof (v ?? n) === 'number')
          const isByOne = args.query.sort?.length === 1 && args.query.sort[0] !== '_id'
          const order = (a: Document, b: Document) => (String(a.v ?? a.n) < String(b.v ?? b.n) ? -1 : 1)
          return isNumeric && isByOne && args.query.limit === 100 ? docs.sort(order) : docs
        }),
    }),
  },
  'leaves what an index lacks out of its queries': {
    rule: ['index: never', 'sort: types', 'sort: scalars', 'sort: several', 'sort: by _id'],
    mutate: (real) => {
      const indexed = new Map<string, string[]>()
      return {
        async indexDocuments(args) {
          await real.indexDocuments(args)
          indexed.set(
            args.db,
            args.fields.map((field) => (typeof field === 'string' ? field : (Object.keys(field)[0] ?? ''))),
          )
        },
        queryDocuments: (args) =>
          mapped(real.queryDocuments(args), (docs) => {
            const [field] = indexed.get(args.db) ?? []
            return docs.filter((doc) => field === undefined || Object.hasOwn(doc, field))
          }),
      }
    },
  },
  'makes an index of one name twice': {
    rule: ['index: the same', 'empty: keeps', 'lifecycle: what'],
    mutate: (real) => ({
      indexDocuments: (args) =>
        real.indexDocuments(args).catch((error) => {
          if (error.code !== 'INDEX_CONFLICT') throw error
        }),
    }),
  },
  'empties by making the database anew': {
    rule: ['empty: keeps'],
    mutate: (real) => ({
      async emptyDatabase({ db }) {
        const count = await real.emptyDatabase({ db })
        await real.removeDatabase({ db })
        await real.createDatabase({ db })
        return count
      },
    }),
  },
  'takes the first of a bulk’s duplicates': {
    rule: ['bulk: in order'],
    mutate: (real) => ({
      async bulkDocuments({ db, docs }) {
        await real.bulkDocuments({ db, docs: [...docs].reverse() })
        return { results: docs.map(({ _id }) => ({ ok: true as const, id: String(_id) })) }
      },
    }),
  },
  'stores _update': {
    rule: ['bulk: in order'],
    mutate: (real) => ({
      async bulkDocuments({ db, docs }) {
        const answer = await real.bulkDocuments({ db, docs })
        for (const doc of docs) if (doc._update) await real.updateDocument({ db, id: String(doc._id), doc })
        return answer
      },
    }),
  },
  'loses writes now and then when many come at once': {
    rule: ['create: of many', 'update: many', 'bulk: many'],
    mutate: (real) => {
      let running = 0
      return {
        async bulkDocuments(args) {
          if (running >= 5) return { results: args.docs.map(({ _id }) => ({ ok: true as const, id: String(_id) })) }
          running += 1
          return real.bulkDocuments(args).finally(() => {
            running -= 1
          })
        },
      }
    },
  },
  'acknowledges a write it never makes': {
    rule: ['lifecycle: what', 'create: ', 'ids: any', 'values: a document', 'database: ', 'empty: '],
    mutate: (real) => {
      const kept = new Map<string, Document>()
      return {
        async createDocument({ db, id, doc }) {
          await real.listDocuments({ db, limit: 1 })
          kept.set(`${db} ${id}`, { _id: id, ...doc })
          return { id }
        },
        async retrieveDocument({ db, id }) {
          return kept.get(`${db} ${id}`) ?? real.retrieveDocument({ db, id })
        },
      }
    },
  },
  'knows databases of other spelling': {
    rule: ['database: names'],
    mutate: (real) => ({
      createDatabase: ({ db }) => real.createDatabase({ db: db.trim() }),
      removeDatabase: ({ db }) => real.removeDatabase({ db: db.trim() }),
    }),
  },
  'takes a missing database for an empty one': {
    rule: ['database: '],
    mutate: (real) => ({
      queryDocuments: (args) =>
        real.queryDocuments(args).catch((error) => {
          if (error.code === 'DATABASE_NOT_FOUND') return { items: [] }
          throw error
        }),
    }),
  },
}

function casesOn(mutant?: BrokenAdapter): Case[] {
  const cases: Case[] = []
  dataSuite({
    test: (name, run) => cases.push({ name, run }),
    create() {
      const real = createSqliteData({ directory })
      return guard<DataPort>(dataPort, { ...real, ...mutant?.mutate(real) })
    },
  })
  return cases
}

proveSuite(
  Object.entries(MUTANTS).map(([name, mutant]) => ({ name, ...mutant })),
  casesOn,
  1,
)
