/** What an app's own wrangler file says (Cloudflare's format, §7 of the design): as far as it means anything here. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { appEntry } from '../server/ports/app-entry.ts'

/** The first that is there counts, as for wrangler. */
const FILES = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml']

export interface Wrangler {
  file: string
  name?: string | undefined
  /** Absolute. */
  main?: string | undefined
  /** Text variables. */
  env: Record<string, string>
  /** Other variables, as JSON. */
  json: Record<string, string>
  compatibility_date?: string | undefined
  compatibility_flags?: string[] | undefined
  crons?: string[] | undefined
  /** Binding name to cache store. */
  kv: Record<string, string>
  /** Binding name to bucket. */
  r2: Record<string, string>
  /** Absolute. */
  assets?: string | undefined
  /** What else it says. */
  ignored: string[]
}

const { name, compatibility_date, compatibility_flags, crons } = appEntry.shape
const binding = z.string()

const schema = z.looseObject({
  name: name.optional(),
  main: z.string().optional(),
  vars: z.record(z.string(), z.json()).optional(),
  compatibility_date,
  compatibility_flags,
  triggers: z.looseObject({ crons }).optional(),
  kv_namespaces: z.array(z.looseObject({ binding, id: z.string().optional() })).optional(),
  r2_buckets: z.array(z.looseObject({ binding, bucket_name: z.string().optional() })).optional(),
  assets: z.looseObject({ directory: z.string().optional(), binding: z.string().optional() }).optional(),
})

/** @returns nothing where there is none. @throws CONFIG_INVALID with the file and the line */
export async function readWrangler(directory: string): Promise<Wrangler | undefined> {
  const file = FILES.map((each) => join(directory, each)).find((each) => existsSync(each))
  if (file === undefined) return undefined
  const text = readFileSync(file, 'utf8')
  const parsed = schema.safeParse(file.endsWith('.toml') ? await fromToml(file, text) : await fromJson(file, text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(file, `${issue?.path.join('.') || 'the file'}: ${issue?.message}`)
  }
  const { data } = parsed
  const vars = Object.entries(data.vars ?? {})
  return {
    file,
    name: data.name,
    main: data.main === undefined ? undefined : resolve(directory, data.main),
    env: Object.fromEntries(vars.flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : []))),
    json: Object.fromEntries(
      vars.flatMap(([key, value]) => (typeof value === 'string' ? [] : [[key, JSON.stringify(value)]])),
    ),
    compatibility_date: data.compatibility_date,
    compatibility_flags: data.compatibility_flags,
    crons: data.triggers?.crons,
    kv: named(data.kv_namespaces, 'id', (text) => appEntry.shape.kv.safeParse({ K: text }).success),
    r2: named(data.r2_buckets, 'bucket_name', (text) => appEntry.shape.r2.safeParse({ B: text }).success),
    assets: data.assets?.directory === undefined ? undefined : resolve(directory, data.assets.directory),
    ignored: Object.keys(data).filter((key) => !(key in schema.shape) && key !== '$schema'),
  }
}

/** By what names them there, if it can be a name here; an id that is still a placeholder cannot. */
function named<M extends string>(
  list: readonly ({ binding: string } & { [K in M]?: string | undefined })[] = [],
  member: M,
  isName: (text: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(
    list.map((one) => {
      const given = one[member]?.toLowerCase()
      return [one.binding, given !== undefined && isName(given) ? given : one.binding.toLowerCase()]
    }),
  )
}

async function fromToml(file: string, text: string): Promise<unknown> {
  const { parse, TomlError } = await import('smol-toml')
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw invalid(
      `${file}:${error.line}:${error.column}`,
      (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, ''),
    )
  }
}

async function fromJson(file: string, text: string): Promise<unknown> {
  const { parse, printParseErrorCode } = await import('jsonc-parser')
  const errors: { error: number; offset: number; length: number }[] = []
  const value = parse(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (!first) return value
  const before = text.slice(0, first.offset).split('\n')
  throw invalid(`${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`, printParseErrorCode(first.error))
}

function invalid(where: string, what: string): HyperError {
  return new HyperError('CONFIG_INVALID', `${where}: ${what}`, { hint: 'Correct it, or take the file away.' })
}
