import { createInterface, type Interface } from 'node:readline/promises'
import { HyperError } from '../server/error.ts'
import type { Output } from './output.ts'

/** Asks at a terminal. @throws CONFIRMATION_NEEDED where nobody is there to ask, or who is there says no */
export async function confirm(output: Output, question: string): Promise<void> {
  if (!output.interactive)
    throw new HyperError('CONFIRMATION_NEEDED', `${question} Nobody is there to answer`, {
      hint: 'Say yes beforehand with --yes.',
    })
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `), interruption(lines)])
    if (!/^y(es)?$/i.test(answer.trim()))
      throw new HyperError('CONFIRMATION_NEEDED', 'not confirmed; nothing was changed')
  } finally {
    lines.close()
  }
}

/** Ctrl-C and Ctrl-D, which leave a question unanswered for ever. */
function interruption(lines: Interface): Promise<never> {
  return new Promise((_, reject) => {
    const interrupted = () => reject(new HyperError('INTERRUPTED', 'interrupted; nothing was changed'))
    lines.once('SIGINT', interrupted).once('close', interrupted)
  })
}
