/** `images.lock.json`: which image each part has, so that a stack stays what it is, and who wrote its data last. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { isBackend } from './part.ts'
import { PARTS } from './stack.ts'
import { writeWhole } from './whole-file.ts'

const dataFormat = z.object({ format: z.string(), version: z.string() })

const lockFile = z.object({
  schemaVersion: z.literal(1),
  images: z.partialRecord(
    z.enum(PARTS),
    dataFormat.extend({
      reference: z.string().min(1),
      /** The user's list it was chosen from; absent where it was ours, which may change with this tool without a change here. */
      override: z.array(z.string()).optional(),
      mirror: z.string().optional(),
    }),
  ),
  /** By stack: one project may have several, with data of their own. */
  data: z.record(z.string(), z.partialRecord(z.enum(PARTS.filter(isBackend)), dataFormat)),
})

export type ImageLock = z.infer<typeof lockFile>
export type LockedImage = NonNullable<ImageLock['images'][(typeof PARTS)[number]]>

const fileIn = (stateDirectory: string) => join(stateDirectory, 'images.lock.json')

/** @throws CONFIG_INVALID for a file that is not as we wrote it: what it says of data must not be guessed */
export function readImageLock(stateDirectory: string): ImageLock {
  const file = fileIn(stateDirectory)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { schemaVersion: 1, images: {}, data: {} }
    throw corrupt(file, (error as Error).message, error)
  }
  let parsed: z.ZodSafeParseResult<ImageLock>
  try {
    parsed = lockFile.safeParse(JSON.parse(text))
  } catch (error) {
    throw corrupt(file, 'it is no JSON', error)
  }
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw corrupt(file, `${issue?.path.join('.')}: ${issue?.message}`, parsed.error)
}

export function writeImageLock(stateDirectory: string, lock: ImageLock): void {
  writeWhole(fileIn(stateDirectory), `${JSON.stringify(lock, undefined, 2)}\n`)
}

function corrupt(file: string, reason: string, cause: unknown): HyperError {
  return new HyperError('CONFIG_INVALID', `${file} cannot be read: ${reason}`, {
    hint: `Restore it, or remove it (rm '${file}'): images are then chosen anew. No data is lost.`,
    cause,
  })
}
