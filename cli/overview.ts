import type { Command } from './command.ts'
import { columns } from './output.ts'

/** Help without a verb. */
export function overviewText(commands: readonly Command[]): string {
  return `hyper-sandbox: a local cloud in one command

Usage:
  hyper-sandbox <command> [flags]
  hyper-sandbox --data --cache [--purge[=list]] [--domain name]
      hyper nano's own form: all services run, flags only create; see help up

Commands:
${columns(commands.map(({ name, summary }) => [`  ${name}`, summary]))}

  hyper-sandbox help <command> shows its flags and examples.

Examples:
  hyper-sandbox up --data --cache
      Data and cache on 127.0.0.1:6363, created in the domain test.
  hyper-sandbox up --detach && hyper-sandbox status
      In the background; then what runs.
  hyper-sandbox down
      Stop; the data stays for the next up.
`
}
