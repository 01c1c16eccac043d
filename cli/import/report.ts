/** What an import did, counted per service and domain while it goes on. */
import { HyperError } from '../../server/error.ts'
import type { ServiceName } from '../../server/services.ts'
import { contentOf } from '../summary.ts'

/** One instance of a service. Counts are of what it holds: documents, keys, objects or jobs. */
export interface Imported {
  service: ServiceName
  domain: string
  imported: number
  /** There already, and left as it was. */
  existing: number
  /** Keys whose time was over. */
  expired: number
  /** What cannot be kept here, such as a key that breaks the rules. */
  refused: number
}

/** So many of what is left out are named. */
const EXAMPLES = 3

export class ImportReport {
  readonly instances: Imported[] = []
  readonly #warnings: string[] = []
  readonly #examples = new Map<Imported, string[]>()

  instance(service: ServiceName, domain: string): Imported {
    const instance = { service, domain, imported: 0, existing: 0, expired: 0, refused: 0 }
    this.instances.push(instance)
    return instance
  }

  /**
   * Counts what `work` does with one thing: it brings it in, unless it resolves with `'existing'` or fails with a conflict.
   * @throws what is no fault of the thing, such as a full disk
   */
  async count(instance: Imported, name: string, work: () => Promise<unknown>): Promise<void> {
    try {
      instance[(await work()) === 'existing' ? 'existing' : 'imported'] += 1
    } catch (error) {
      if (!(error instanceof HyperError) || error.status >= 500) throw error
      if (error.status === 409) instance.existing += 1
      else this.refuse(instance, name, error.message)
    }
  }

  refuse(instance: Imported, name: string, reason: string): void {
    instance.refused += 1
    const examples = this.#examples.get(instance) ?? []
    if (examples.length < EXAMPLES) this.#examples.set(instance, [...examples, `'${name}' (${reason})`])
  }

  /** Makes the instance itself, or finds it there; false when it cannot be. @throws what is no fault of the instance */
  async create(instance: Imported, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      if (!(error instanceof HyperError) || error.status >= 500) throw error
      if (error.status === 409) return true
      this.warn(`${instance.service} '${instance.domain}' was left out: ${error.message}`)
      this.instances.splice(this.instances.indexOf(instance), 1)
      return false
    }
  }

  warn(text: string): void {
    this.#warnings.push(text)
  }

  get warnings(): string[] {
    const refusals = [...this.#examples].map(([{ service, domain, refused }, examples]) => {
      const more = refused > examples.length ? ' and others' : ''
      return `${service} '${domain}': ${contentOf(service, refused)} left out: ${examples.join(', ')}${more}`
    })
    return [...this.#warnings, ...refusals]
  }

  get total(): number {
    return this.instances.reduce((sum, { imported, existing }) => sum + imported + existing, 0)
  }
}

const BATCH_ROWS = 200
const BATCH_CHARACTERS = 8 * 1024 * 1024

/** Rows together that are written together: many of the small, few of the large. */
export function* inBatches<Row>(rows: Iterable<unknown>, textOf: (row: Row) => string | null): Generator<Row[]> {
  let batch: Row[] = []
  let characters = 0
  for (const row of rows as Iterable<Row>) {
    batch.push(row)
    characters += textOf(row)?.length ?? 0
    if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}

/** A JSON object as hyper nano stored it. @throws INVALID_ARGUMENTS when it is none */
export function parseObject(text: string | null): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    value = undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new HyperError('INVALID_ARGUMENTS', 'what is stored there is no JSON object')
}
