/** Tells of a project file that was saved with other content, or the `.local.yaml` beside it. */
import { readFileSync } from 'node:fs'
import { localFileOf } from './read-project-file.ts'
import { watchFiles } from './watch-files.ts'

/** @param onChange called again after each change; what it throws goes to `onMistake`, and what runs is as it was */
export function watchProject(
  file: string,
  onChange: () => Promise<unknown>,
  onMistake: (error: Error) => void,
): Disposable {
  const files = [file, localFileOf(file)]
  const content = () => files.map(textOf).join('\0')
  let known = content()
  const watcher = watchFiles(files, async () => {
    const now = content()
    if (now === known) return
    known = now
    await onChange().catch(onMistake)
  })
  return { [Symbol.dispose]: () => watcher.close() }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
