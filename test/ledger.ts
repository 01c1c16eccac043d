/** What a crash test wrote, and what a look after the crash may therefore find. */
import assert from 'node:assert/strict'
import type { Reply } from './acceptance/http.ts'

/** What one thing may be after a crash: what was acknowledged last, or what was on its way. Undefined: not there. */
interface Cell {
  acknowledged: number | undefined
  onItsWay: (number | undefined)[]
}

export class Ledger {
  readonly #cells = new Map<string, Cell>()
  acknowledgedWrites = 0

  get size(): number {
    return this.#cells.size
  }

  /** The version that was acknowledged last, if the thing is there. */
  acknowledged(name: string): number | undefined {
    return this.#cell(name).acknowledged
  }

  /** Sends one write that sets all `names` to `version`, or removes them; the crash shows as a rejection. */
  async write(names: string[], version: number | undefined, request: () => Promise<Reply>): Promise<void> {
    for (const name of names) this.#cell(name).onItsWay.push(version)
    const reply = await request()
    assert.ok([200, 201].includes(reply.status), `${reply.status} ${reply.text}`)
    this.acknowledgedWrites += 1
    for (const name of names) this.#cells.set(name, { acknowledged: version, onItsWay: [] })
  }

  /** The same for one thing on a server that may be away: false for a 503, after which it may be either. */
  async attempt(name: string, version: number | undefined, request: () => Promise<Reply>): Promise<boolean> {
    const cell = this.#cell(name)
    cell.onItsWay.push(version)
    const reply = await request()
    if (reply.status === 503) return false
    // A removal that was on its way before may have been first.
    const isGone = reply.status === 404 && version === undefined && cell.onItsWay.length > 1
    assert.ok([200, 201].includes(reply.status) || isGone, `${reply.status} ${reply.text}`)
    this.acknowledgedWrites += 1
    this.#cells.set(name, { acknowledged: version, onItsWay: [] })
    return true
  }

  names(): string[] {
    return [...this.#cells.keys()]
  }

  /** What is there now must be what the ledger allows; from now on it is what was acknowledged. */
  compare(found: ReadonlyMap<string, number>): void {
    for (const name of found.keys()) assert.ok(this.#cells.has(name), `${name} was never written`)
    for (const [name, { acknowledged, onItsWay }] of this.#cells) {
      const now = found.get(name)
      assert.ok(
        [acknowledged, ...onItsWay].includes(now),
        `${name}: ${now}, acknowledged ${acknowledged}, or ${onItsWay}`,
      )
      this.#cells.set(name, { acknowledged: now, onItsWay: [] })
    }
  }

  #cell(name: string): Cell {
    const known = this.#cells.get(name) ?? { acknowledged: undefined, onItsWay: [] }
    this.#cells.set(name, known)
    return known
  }
}

/** Resolves when the crash has cut every one of them off; a wrong answer before it is a failure. */
export async function untilCutOff(work: Promise<never>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work)) {
    const { reason } = outcome as PromiseRejectedResult
    if (reason instanceof assert.AssertionError) throw reason
    assert.match(String(reason.code), /^(ECONNRESET|ECONNREFUSED|EPIPE)$/, String(reason))
  }
}
