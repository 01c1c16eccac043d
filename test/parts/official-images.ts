/** The images that users get, pulled, under the names that tests know: `HYPER_TEST_IMAGES=official`. */
import { BACKENDS } from '../../compose/services/backends.ts'
import { idOf, TEST_IMAGES } from './images.ts'
import { type Part, run } from './part.ts'
import type { ServerKind } from './server-kinds.ts'

export const officialImages: readonly Part[] = (Object.keys(TEST_IMAGES) as ServerKind[]).map((kind) => {
  const candidates = candidatesOf(kind)
  return {
    name: `image of ${kind}`,
    version: 'as pulled',
    async isThere() {
      const id = await idOf(TEST_IMAGES[kind])
      return id !== '' && (await Promise.all(candidates.map(idOf))).includes(id)
    },
    async get() {
      const image = await pullFirst(candidates)
      await run('docker', ['tag', image, TEST_IMAGES[kind]])
    },
  }
})

/** Those that keep their data as the first does: what is started in a container depends on it. */
function candidatesOf(kind: ServerKind): readonly string[] {
  const { images, formatOf } = BACKENDS[kind]
  return images.filter((image) => formatOf(image) === formatOf(images[0] ?? ''))
}

async function pullFirst(images: readonly string[]): Promise<string> {
  const reasons: unknown[] = []
  for (const image of images) {
    try {
      await run('docker', ['pull', '--quiet', image])
      return image
    } catch (error) {
      reasons.push(error)
    }
  }
  throw new AggregateError(reasons, `none of ${images.join(', ')} can be pulled`)
}
