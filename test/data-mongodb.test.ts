/**
 * The data port on a MongoDB server: the suite, what only servers show, and servers that are dead, paused or not for us. Where no
 * MongoDB can be had a stand-in plays it; what that is known to get wrong is left out by name, and asked again to see whether it still does.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { MongoClient } from 'mongodb'
import { compileFilter } from '../adapters/data/mongodb/filter.ts'
import { createMongodbData } from '../adapters/data/mongodb.ts'
import { parseSelector } from '../adapters/data/selector.ts'
import { type Guarded, guard } from '../server/port.ts'
import { type DataPort, type Document, dataPort } from '../server/ports/data.ts'
import { dataSuite } from './conformance/data.ts'
import { GEO_MATCHES, PLACES } from './conformance/data-geo.ts'
import { MATCHES, SAMPLES } from './conformance/data-queries.ts'
import { type RealServer, startServer } from './parts/servers.ts'

/** Cases of the suite that the stand-in fails, each with its own fault. */
const FAILED_BY_STAND_IN: Record<string, string> = {
  'database: names are told apart by every character and listed by code point':
    'it sorts texts by UTF-16, not by bytes',
  'list: all documents by the bytes of their ids': 'it sorts texts by UTF-16, not by bytes',
  'sort: strings by their bytes': 'it sorts texts by UTF-16, not by bytes',
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
  const shared = `test-${randomUUID()}`
  const misjudged = new Map(MISJUDGED_BY_STAND_IN.map(([selector, fault]) => [JSON.stringify(selector), fault]))

  dataSuite({
    test(name, run) {
      const fault = isStandIn && FAILED_BY_STAND_IN[name]
      return fault ? test(`stand-in, not MongoDB: ${name}`, { skip: fault }, () => {}) : test(name, run)
    },
    create: () => open(url, shared),
    leaveOut: (selector) => isStandIn && misjudged.has(JSON.stringify(selector)),
  })
  for (const [selector, fault] of isStandIn ? misjudged : []) {
    test(`stand-in, not MongoDB: query: ${selector}`, { skip: fault }, () => {})
  }
}
