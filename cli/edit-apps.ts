/** Changes `apps:` of the project file and nothing else in it: its comments and its order stay. */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, relative, resolve, sep } from 'node:path'
import { Document, isMap, isSeq, parseDocument, type YAMLSeq } from 'yaml'
import { writeWhole } from '../compose/whole-file.ts'
import { HyperError } from '../server/error.ts'
import { type AppEntry, appConfigOf, appEntry, sharedHostname } from '../server/ports/app-entry.ts'
import type { AppConfig } from '../server/ports/apps.ts'
import { PROJECT_FILE, type Project } from './project.ts'

/**
 * @param entry its path is as the user typed it, from `cwd`
 * @returns the file's name. @throws USAGE for what cannot be an app, or is one already; nothing is written then
 */
export function addToFile(project: Project, apps: readonly AppConfig[], entry: AppEntry, cwd: string): string {
  const parsed = appEntry.safeParse(entry)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new HyperError('USAGE', `apps add: the ${issue?.path.join('.')} ${issue?.message}`)
  }
  if (apps.some(({ name }) => name === entry.name))
    throw new HyperError('USAGE', `there is an app '${entry.name}' already`, {
      hint: 'Take another name, or remove it first with: hyper-sandbox apps rm',
    })
  const path = resolve(cwd, entry.path)
  if (!existsSync(path))
    throw new HyperError('USAGE', `there is no ${path}`, { hint: 'Name the directory of the app, or its entry file.' })
  const shared = sharedHostname([...apps, appConfigOf(entry, cwd)])
  if (shared)
    throw new HyperError('USAGE', `the app ${shared.names[0]} has the host ${shared.hostname} already`, {
      hint: 'Choose another with --hostname.',
    })

  const file = fileOf(project)
  const document = readDocument(file)
  const written = { ...entry, path: fromFile(project.directory, path) }
  const list = document.get('apps')
  if (isSeq(list)) {
    const last = list.items.at(-1)
    const node = document.createNode(written, { flow: isMap(last) ? last.flow === true : false })
    list.add(node)
  } else {
    document.set('apps', document.createNode([written]))
  }
  write(file, document)
  return basename(file)
}

/** @returns the file's name. @throws USAGE where the file does not name it */
export function removeFromFile(project: Project, name: string): string {
  const file = fileOf(project)
  const document = readDocument(file)
  const list = document.get('apps')
  const at = isSeq(list) ? (list as YAMLSeq).items.findIndex((item) => isMap(item) && item.get('name') === name) : -1
  if (at < 0)
    throw new HyperError('USAGE', `${basename(file)} does not name the app '${name}'`, {
      hint: 'Is it in the .local.yaml? Remove it there by hand.',
    })
  document.deleteIn(['apps', at])
  if ((list as YAMLSeq).items.length === 0) document.delete('apps')
  write(file, document)
  return basename(file)
}

function fileOf({ file, directory }: Project): string {
  return file ?? join(directory, PROJECT_FILE)
}

function readDocument(file: string): Document {
  const document = existsSync(file) ? parseDocument(readFileSync(file, 'utf8')) : new Document({})
  if (isMap(document.contents)) return document
  // A file of comments alone keeps them.
  const { comment, commentBefore } = document
  const empty = new Document({})
  empty.commentBefore = commentBefore ?? comment
  return empty
}

/** As it is typed: with a dot in front, so that nobody takes it for a package. */
function fromFile(directory: string, path: string): string {
  const way = relative(directory, path).split(sep).join('/')
  return way.startsWith('..') ? way : `./${way}`
}

function write(file: string, document: Document): void {
  writeWhole(file, document.toString({ lineWidth: 0 }))
}
