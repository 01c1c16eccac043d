/** A copy of an example as its user has it: in a project of its own, with the packages that npm would install. */
import { cpSync, existsSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { TestProject } from './cli.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')

export function exampleProject(name: string, make: () => TestProject = () => new TestProject()): TestProject {
  const project = make()
  const source = join(EXAMPLES, name)
  cpSync(source, project.directory, { recursive: true })
  for (const dependency of dependenciesOf(source)) install(dependency, source, project.file('node_modules'))
  return project
}

function dependenciesOf(directory: string): string[] {
  const file = join(directory, 'package.json')
  return existsSync(file) ? Object.keys(JSON.parse(readFileSync(file, 'utf8')).dependencies ?? {}) : []
}

/** From what is installed here, with all it needs. */
function install(name: string, from: string, target: string): void {
  const source = packageDirectory(name, from)
  if (existsSync(join(target, name))) return
  cpSync(source, join(target, name), { recursive: true, dereference: true })
  for (const dependency of dependenciesOf(source)) {
    const isNested = packageDirectory(dependency, source).startsWith(join(source, 'node_modules'))
    if (!isNested) install(dependency, source, target)
  }
}

function packageDirectory(name: string, from: string): string {
  const [found] = (createRequire(join(from, 'any.js')).resolve.paths(name) ?? []).filter((directory) =>
    existsSync(join(directory, name)),
  )
  if (found === undefined) throw new Error(`${name} is not installed`)
  return realpathSync(join(found, name))
}
