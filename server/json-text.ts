/**
 * JSON that an adapter already holds as text. The gateway writes it as it stands instead of parsing it and printing it
 * again, which is most of the cost of reading a document. `text` must be one valid JSON value.
 */
export class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toJSON(): unknown {
    return JSON.parse(this.text)
  }
}

/** A stored value: the value itself, or its JSON text. */
export type Stored<T> = T | JsonText

/** The value of what a port returned. */
export function decode<T>(stored: Stored<T>): T {
  return stored instanceof JsonText ? (JSON.parse(stored.text) as T) : stored
}

/** The JSON text of what a port returned. */
export function encode(stored: unknown): string {
  return stored instanceof JsonText ? stored.text : JSON.stringify(stored)
}
