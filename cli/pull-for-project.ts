import { readImageLock } from '../compose/image-lock.ts'
import type { Context } from './command.ts'
import { resolveConfig } from './config.ts'
import { chooseEngine } from './engines/choose.ts'
import { columns } from './output.ts'

export async function pullForProject(context: Context): Promise<number> {
  const { flags, output, env, cwd } = context
  const resolved = await resolveConfig({ flags, env, cwd })
  const { engine } = await chooseEngine(context, resolved)
  const pulled = await engine.pull(context, resolved, { always: flags.has('update') })
  if (engine.name === 'embedded') {
    output.report({ engine: engine.name, pulled, images: {} }, 'the embedded engine needs no images')
    return 0
  }
  const { images } = readImageLock(resolved.config.stateDirectory)
  const references = Object.fromEntries(Object.entries(images).map(([part, { reference }]) => [part, reference]))
  const news = pulled === 0 ? 'all images are here' : `pulled ${pulled} image${pulled === 1 ? '' : 's'}`
  output.report({ engine: engine.name, pulled, images: references }, `${columns(Object.entries(references))}\n${news}`)
  return 0
}
