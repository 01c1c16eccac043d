/** Bytes gathered up to a limit. They take the memory they need, however small the chunks they come in. */
export class Pending {
  readonly #limit: number
  #bytes: Uint8Array = new Uint8Array(0)
  #used = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** False, and nothing done, when `chunk` would pass the limit. */
  add(chunk: Uint8Array): boolean {
    const needed = this.#used + chunk.length
    if (needed > this.#limit) return false
    if (this.#used === 0) {
      // Most bodies are one chunk: it is kept as it is, and full, so it is never written to.
      this.#bytes = chunk
    } else {
      if (needed > this.#bytes.length) this.#grow(Math.min(this.#limit, Math.max(needed, 2 * this.#bytes.length)))
      this.#bytes.set(chunk, this.#used)
    }
    this.#used = needed
    return true
  }

  /** The bytes so far, without a copy; then it is empty. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#used)
    this.#used = 0
    return taken
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafe(size)
    grown.set(this.#bytes.subarray(0, this.#used))
    this.#bytes = grown
  }
}
