import { HyperError } from '../../server/error.ts'
import type { Resolved } from '../config.ts'
import type { Output } from '../output.ts'
import { makeStateDirectory } from '../state.ts'
import { PullDisplay } from './pull-display.ts'
import { exportedConfigOf } from './stack-config.ts'
import type { Stacks } from './stacks.ts'

/**
 * Has every image on this machine; resolves with how many had to be brought.
 * @throws ENGINE_UNAVAILABLE with `meta.reason` 'images' naming those that cannot be had; INTERRUPTED
 */
export async function pullImages(
  stacks: Stacks,
  output: Output,
  resolved: Resolved,
  { always, stopRequested }: { always: boolean; stopRequested: Promise<unknown> },
): Promise<number> {
  // Images are nobody's secret, and secrets are made under the lock, which this does not need.
  const stack = await stacks.open(exportedConfigOf(resolved))
  makeStateDirectory(resolved.config.stateDirectory)
  const display = new PullDisplay(output)
  const aborting = new AbortController()
  void stopRequested.then(() => aborting.abort())
  try {
    const pulling = stack.pull({ onProgress: (progress) => display.show(progress), always, signal: aborting.signal })
    await output.progress(() => display.text(), pulling)
    return display.pulled
  } catch (error) {
    if (aborting.signal.aborted) throw new HyperError('INTERRUPTED', 'interrupted while images were on their way')
    throw error
  }
}
