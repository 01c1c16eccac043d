/** `export compose`: the generated stack for others, without anything secret in it. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { plannedFiles } from '../compose/planned.ts'
import { writeWhole } from '../compose/whole-file.ts'
import { HyperError } from '../server/error.ts'
import type { Context } from './command.ts'
import { resolveConfig } from './config.ts'
import { exportedConfigOf } from './engines/stack-config.ts'
import { shortPath } from './summary.ts'

const FORMS = ['compose']

/** What is no secret of the values beside the Compose file. */
const PUBLIC = /^SANDBOX_PORT=/

export async function exportStack({ args, flags, output, env, cwd }: Context): Promise<number> {
  const [form = ''] = args
  if (!FORMS.includes(form)) {
    throw new HyperError('USAGE', `there is no form '${form}' to export`, {
      hint: 'Type: hyper-sandbox export compose',
    })
  }
  const resolved = await resolveConfig({ flags: flags.without(['output']), env, cwd })
  const planned = plannedFiles(exportedConfigOf(resolved))
  const compose = planned.compose.replace(/^(?:#.*\n)+/, HEADER)
  const template = templateOf(planned.env)
  const directory = flags.text('output')
  if (directory === undefined) {
    output.answer({ compose, env: template }, compose)
    output.note(`# Its variables, for a .env beside it:\n${template.replace(/^(?!#)/gm, '# ')}`)
    return 0
  }
  const target = resolve(cwd, directory)
  mkdirSync(target, { recursive: true })
  const files = { compose: join(target, 'compose.yaml'), env: join(target, '.env.example') }
  writeWhole(files.compose, compose)
  writeWhole(files.env, template)
  output.report(
    { files },
    `wrote ${shortPath(files.compose, cwd)} and ${shortPath(files.env, cwd)}; fill that in as .env beside it`,
  )
  return 0
}

const HEADER = `# Written by hyper-sandbox export compose. Fill in .env.example as .env beside this file, then: docker compose up\n`

/** Every name, and of the values those that are no one's secret. */
function templateOf(text: string): string {
  const lines = text.split('\n').filter((line) => /^[A-Z]/.test(line))
  const blank = lines.map((line) => (PUBLIC.test(line) ? line : line.replace(/=.*$/, '=')))
  return `# Passwords: letters and digits, 16 or more, each of its own.\n${blank.join('\n')}\n`
}
