/** What a test left behind: processes that carry its mark, files in its temporary directory. Linux; elsewhere only files. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Living processes whose environment or command line holds `mark`, with their command lines. */
export function processesMarked(mark: string): { pid: number; command: string }[] {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => ['environ', 'cmdline'].some((file) => text(`/proc/${pid}/${file}`).includes(mark)))
    .filter((pid) => !/^State:\s+Z/m.test(text(`/proc/${pid}/status`)))
    .map((pid) => ({ pid: Number(pid), command: text(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
}

/** Names of what is left, after those that are just ending had a moment. */
export async function leaks(mark: string, temporaryDirectory: string): Promise<string[]> {
  const deadline = performance.now() + 3_000
  for (;;) {
    const found = [
      // An app's process has an empty environment; its files are below the directory.
      ...[mark, temporaryDirectory].flatMap(processesMarked).map(({ pid, command }) => `process ${pid}: ${command}`),
      ...list(temporaryDirectory).map((name) => `temporary file: ${name}`),
    ]
    if (found.length === 0 || performance.now() > deadline) return found
    await sleep(50)
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
