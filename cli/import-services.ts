/** `import`: by the running sandbox, or into the files of a stopped one while holding its lock. */
import { resolve } from 'node:path'
import type { Context } from './command.ts'
import { KINDS, parseKinds, resolveConfig } from './config.ts'
import { engineOf } from './engines/engine.ts'
import type { ImportRequest } from './import/import-directory.ts'
import { type Imported, ImportReport } from './import/report.ts'
import { findNanoDirectory } from './import/source.ts'
import { columns } from './output.ts'

export async function importServices({ args, flags, output, env, cwd }: Context): Promise<number> {
  const only = flags.text('only')
  const request: ImportRequest = {
    kinds: only === undefined ? undefined : parseKinds(only, flags.spelled('only')),
    directory: findNanoDirectory(resolve(cwd, args[0] ?? '')).path,
    domain: flags.text('domain'),
  }
  // --only and --domain choose from the directory here, not what the sandbox runs.
  const resolved = await resolveConfig({ flags: flags.without(['only', 'domain']), env, cwd })
  const engine = await engineOf(resolved.project, env)
  const report = new ImportReport()
  const { imported, warnings } = await output.progress(
    () => (report.total === 0 ? 'importing' : `importing: ${report.total} so far`),
    engine.importInto(resolved, request, report),
  )
  for (const warning of warnings) output.warn(warning)
  output.answer({ directory: request.directory, imported }, tableOf(imported))
  return 0
}

function tableOf(imported: readonly Imported[]): string {
  if (imported.length === 0) return 'nothing was imported'
  const head = ['service', 'domain', 'imported', 'there already', 'expired', 'left out']
  const rows = KINDS.flatMap((kind) => imported.filter(({ service }) => service === kind)).map((one) => [
    ...[one.service, one.domain],
    ...[one.imported, one.existing, one.expired, one.refused].map(String),
  ])
  return columns([head, ...rows])
}
