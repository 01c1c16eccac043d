/** Reads the project file and the `.local.yaml` beside it: `${VARIABLES}` filled in, mistakes named with file and line. */
import { existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument } from 'yaml'
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { type ProjectFile, projectFile } from './project-file.ts'
import { didYouMean } from './suggest.ts'

/** What is in the file, with `.local.yaml` merged over it member by member. @throws CONFIG_INVALID with file and line */
export async function readProjectFile(file: string, env: NodeJS.ProcessEnv): Promise<ProjectFile> {
  const local = localFileOf(file)
  const base = await readOne(file, env)
  return existsSync(local) ? (merge(base, await readOne(local, env)) as ProjectFile) : base
}

export function localFileOf(file: string): string {
  return file.replace(/(\.ya?ml)?$/, '.local.yaml')
}

async function readOne(file: string, env: NodeJS.ProcessEnv): Promise<ProjectFile> {
  const lines = new LineCounter()
  const text = readFileSync(file, 'utf8')
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [broken] = document.errors
  if (broken) {
    const [what = ''] = broken.message.split(' at line ')
    throw invalid(file, lines.linePos(broken.pos[0]).line, what)
  }
  const value = filledIn(document.toJS(), env, [], (path, what) => invalid(file, lineOf(document, lines, path), what))
  if (value === null) return {}
  const parsed = projectFile.safeParse(value)
  if (parsed.success) {
    const [cron, what] = (await wrongCron(parsed.data)) ?? []
    if (cron) throw invalid(file, lineOf(document, lines, cron), `${spell(cron)} ${what}`)
    return parsed.data
  }
  const [issue] = parsed.error.issues
  throw explain(file, document, lines, issue as z.core.$ZodIssue)
}

/** Schemas know nothing of calendars. @returns where the first one is, and what is wrong with it */
async function wrongCron({ apps = [] }: ProjectFile): Promise<[path: PropertyKey[], what: string] | undefined> {
  for (const [at, { crons = [] }] of apps.entries()) {
    for (const [index, cron] of crons.entries()) {
      const { cronProblem } = await import('../server/crons.ts')
      const problem = await cronProblem(cron)
      if (problem) return [['apps', at, 'crons', index], `is the cron '${cron}': ${problem}`]
    }
  }
  return undefined
}

/** A copy with each `${NAME}` in its strings replaced by that variable; `$${` stands for `${` itself, as in Compose. */
function filledIn(
  value: unknown,
  env: NodeJS.ProcessEnv,
  path: readonly PropertyKey[],
  mistake: (path: readonly PropertyKey[], what: string) => HyperError,
): unknown {
  if (typeof value === 'string') {
    return value.replace(/\$\$\{|\$\{([^}]*)\}/g, (found, name?: string) => {
      if (name === undefined) return '${'
      const filling = Object.hasOwn(env, name) ? env[name] : undefined
      if (filling === undefined) throw mistake(path, `${spell(path)} names the variable ${found}, which is not set`)
      return filling
    })
  }
  const inside = (inner: unknown, key: PropertyKey) => filledIn(inner, env, [...path, key], mistake)
  if (Array.isArray(value)) return value.map(inside)
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inside(inner, key)]))
}

function explain(file: string, document: Document, lines: LineCounter, issue: z.core.$ZodIssue): HyperError {
  // A union: what is wrong with its object form says more than "neither".
  if (issue.code === 'invalid_union') {
    const all = issue.errors.flat()
    const inner = all.find(({ code }) => code === 'unrecognized_keys') ?? all.find(({ path }) => path.length > 0)
    if (inner) return explain(file, document, lines, { ...inner, path: [...issue.path, ...inner.path] })
    const forms = formsOf(schemaAt(issue.path))
    return invalid(file, lineOf(document, lines, issue.path), `${spell(issue.path)} must be ${forms}`)
  }
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys
    const path = [...issue.path, key]
    return invalid(
      file,
      lineOf(document, lines, path),
      `unknown key '${spell(path)}'${didYouMean(key, keysAt(issue.path))}`,
    )
  }
  const name = issue.path.length === 0 ? 'the file' : spell(issue.path)
  return invalid(file, lineOf(document, lines, issue.path), `${name} ${sentence(issue)}`)
}

function sentence(issue: z.core.$ZodIssue): string {
  if (!issue.message.startsWith('Invalid input')) return issue.message
  if (issue.code === 'invalid_type') return `must be ${issue.expected === 'record' ? 'object' : issue.expected}`
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`
  return issue.message
}

function spell(path: readonly PropertyKey[]): string {
  return path.map(String).join('.')
}

/** Line of the key that `path` ends with, or of its nearest ancestor. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const key of path) {
    if (isSeq(node)) {
      node = node.items[Number(key)]
      offset = isNode(node) ? (node.range?.[0] ?? offset) : offset
      continue
    }
    if (!isMap(node)) break
    const pair = node.items.find((item) => String(item.key) === String(key))
    if (!pair) break
    offset = (pair.key as { range?: [number, number, number] | null }).range?.[0] ?? offset
    node = pair.value
  }
  return lines.linePos(offset).line
}

/** The keys that may stand below `path`. */
function keysAt(path: readonly PropertyKey[]): string[] {
  return Object.keys(objectIn(schemaAt(path))?.shape ?? {})
}

function schemaAt(path: readonly PropertyKey[]): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = projectFile
  for (const key of path) {
    const list: z.ZodArray | undefined = optionsOf(schema).find((option) => option instanceof z.ZodArray)
    schema = list ? (list.element as z.core.$ZodType) : objectIn(schema)?.shape[String(key)]
  }
  return schema
}

/** The object form of what may be absent or something else as well. */
function objectIn(schema: z.core.$ZodType | undefined): z.ZodObject | undefined {
  return optionsOf(schema).find((option) => option instanceof z.ZodObject)
}

function optionsOf(schema: z.core.$ZodType | undefined): z.core.$ZodType[] {
  if (schema instanceof z.ZodOptional) return optionsOf(schema.unwrap())
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(optionsOf)
  return schema ? [schema] : []
}

/** Such as `true, false or { adapter: … }`. */
function formsOf(schema: z.core.$ZodType | undefined): string {
  const forms = optionsOf(schema).flatMap((option) => {
    if (option instanceof z.ZodObject)
      return `{ ${Object.keys(option.shape)
        .map((key) => `${key}: …`)
        .join(', ')} }`
    if (option instanceof z.ZodLiteral) return [...option.values].map(String)
    return option instanceof z.ZodBoolean ? ['true', 'false'] : []
  })
  return `${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}`
}

function invalid(file: string, line: number, what: string): HyperError {
  return new HyperError('CONFIG_INVALID', `${basename(file)}:${line}: ${what}`, {
    hint: `Mend line ${line} of ${file}.`,
    meta: { file, line },
  })
}

function merge(base: unknown, over: unknown): unknown {
  if (!isPlain(base) || !isPlain(over)) return over
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) merged[key] = key in base ? merge(base[key], value) : value
  return merged
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
