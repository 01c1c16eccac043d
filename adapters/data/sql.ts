/** Fragments of SQL that carry their values: rendered with `?` for a statement, or with literals for an index. */
type Value = string | number

export class Sql {
  readonly #parts: readonly (string | { value: Value })[]

  constructor(parts: readonly (string | { value: Value })[]) {
    this.#parts = parts
  }

  get text(): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : '?')).join('')
  }

  get params(): Value[] {
    return this.#parts.flatMap((part) => (typeof part === 'string' ? [] : [part.value]))
  }

  /** The same with its values written out; the text of an index cannot hold parameters. */
  get literal(): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : literal(part.value))).join('')
  }

  static join(fragments: readonly Sql[], separator: string): Sql {
    return new Sql(fragments.flatMap((fragment, i) => (i === 0 ? fragment.#parts : [separator, ...fragment.#parts])))
  }

  static template(strings: readonly string[], values: readonly (Sql | Value)[]): Sql {
    return new Sql(
      strings.flatMap((text, i) => {
        const value = values[i]
        if (value === undefined) return [text]
        return value instanceof Sql ? [text, ...value.#parts] : [text, { value }]
      }),
    )
  }
}

/** ``sql`a = ${1} AND ${fragment}` ``: fragments are spliced, anything else becomes a parameter. */
export function sql(strings: TemplateStringsArray, ...values: (Sql | Value)[]): Sql {
  return Sql.template(strings, values)
}

/** Text that is SQL already. */
export function raw(text: string): Sql {
  return new Sql([text])
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function literal(value: Value): string {
  if (typeof value === 'string') return quote(value)
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '9e999' : '-9e999'
}
