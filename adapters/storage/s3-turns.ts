/** Writers of one thing one after another, in the order they came: they would only make each other try again. */
export class InTurn {
  readonly #last = new Map<string, Promise<void>>()

  async take<T>(what: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(what)
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#last.set(what, done)
    try {
      await before
      return await work()
    } finally {
      resolve()
      if (this.#last.get(what) === done) this.#last.delete(what)
    }
  }
}

/** So many at a time, the others in the order they came. */
export class AtMost {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#free = limit
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }
}
