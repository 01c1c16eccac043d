/** Scores what is found as MiniSearch does, BM25+ summed over words and fields, and hands it out best first. */
import TinyQueue from 'tinyqueue'
import type { Statistics } from './catalogue.ts'
import type { Term } from './terms.ts'

/** MiniSearch's: how soon more of a word stops to count, how much a long field costs, what one is worth at the least. */
const K = 1.2
const B = 0.7
const D = 0.5

/** Where one word is in one field. */
export class Places {
  readonly documents: number[] = []
  readonly counts: number[] = []
  readonly lengths: number[] = []

  /** The same document may come several times in a row, once for each time the word is in it. */
  take(document: number, length: number): void {
    const last = this.documents.length - 1
    if (this.documents[last] === document) {
      this.counts[last] = (this.counts[last] ?? 0) + 1
      return
    }
    this.documents.push(document)
    this.counts.push(1)
    this.lengths.push(length)
  }

  get size(): number {
    return this.documents.length
  }
}

export interface Found {
  document: number
  score: number
  what: Finding
}

/** Which words were found in which fields, shared by all documents of which that is true. */
export class Finding {
  readonly #from: Finding | undefined
  readonly #word: string
  readonly #field: string
  readonly #next = new Map<string, Map<string, Finding>>()
  #text: string | undefined
  /** How many different words. */
  readonly words: number

  constructor(from?: Finding, word = '', field = '') {
    this.#from = from
    this.#word = word
    this.#field = field
    this.words = from === undefined ? 0 : from.words + (from.#word === word && from.#from !== undefined ? 0 : 1)
  }

  /** Words come one after the other, each with its fields. */
  and(word: string, field: string): Finding {
    let fields = this.#next.get(word)
    if (fields === undefined) {
      fields = new Map()
      this.#next.set(word, fields)
    }
    let finding = fields.get(field)
    if (finding === undefined) {
      finding = new Finding(this, word, field)
      fields.set(field, finding)
    }
    return finding
  }

  /** The members `terms`, `queryTerms` and `match` of a match, as JSON text between the braces. */
  get text(): string {
    if (this.#text === undefined) {
      const fields = new Map<string, string[]>()
      for (const { word, field } of this.#path()) {
        const others = fields.get(word)
        if (others === undefined) fields.set(word, [field])
        else others.push(field)
      }
      const match = Object.fromEntries(fields)
      const terms = JSON.stringify(Object.keys(match))
      this.#text = `"terms":${terms},"queryTerms":${terms},"match":${JSON.stringify(match)}`
    }
    return this.#text
  }

  #path(): { word: string; field: string }[] {
    const path: { word: string; field: string }[] = []
    for (let at: Finding = this; at.#from !== undefined; at = at.#from) path.push({ word: at.#word, field: at.#field })
    return path.reverse()
  }
}

export class Ranking {
  readonly #statistics: Pick<Statistics, 'documents' | 'totals'>
  readonly #found = new Map<number, Found>()
  readonly #nothing = new Finding()

  constructor(statistics: Pick<Statistics, 'documents' | 'totals'>) {
    this.#statistics = statistics
  }

  /** Adds what `places` has from `from` up to `to` of `term` in a field of that number and name. */
  add({ word, times }: Term, field: number, name: string, places: Places, from = 0, to = places.size): void {
    const { documents, totals } = this.#statistics
    const [having, length] = totals[field] ?? [0, 0]
    const average = length / having
    const rarity = times * Math.log(1 + (documents - places.size + 0.5) / (places.size + 0.5))
    for (let place = from; place < to; place += 1) {
      const document = places.documents[place] as number
      const count = places.counts[place] as number
      const relative = (places.lengths[place] as number) / average
      const score = rarity * (D + (count * (K + 1)) / (count + K * (1 - B + B * relative)))
      const known = this.#found.get(document)
      if (known === undefined) {
        this.#found.set(document, { document, score, what: this.#nothing.and(word, name) })
      } else {
        known.score += score
        known.what = known.what.and(word, name)
      }
    }
  }

  /** Best first; of equals, the one that was added first. Each further word of the query weighs on the whole score. */
  queue(): TinyQueue<Found> {
    const found = [...this.#found.values()]
    for (const one of found) one.score *= one.what.words
    return new TinyQueue(found, (a, b) => b.score - a.score || a.document - b.document)
  }
}
