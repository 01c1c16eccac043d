/** hyper nano's storage: a directory per bucket, a file per object. */
import type { Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HyperError } from '../../server/error.ts'
import type { Services } from '../../server/services.ts'
import type { Imported, ImportReport } from './report.ts'
import type { NanoDirectory } from './source.ts'

const AT_ONCE = 16

type Storage = NonNullable<Services['storage']>

interface File {
  path: string
  object: string
}

export async function importStorage(
  { path, buckets }: NanoDirectory,
  storage: Storage,
  report: ImportReport,
  wanted: (domain: string) => boolean,
): Promise<void> {
  for (const bucket of buckets.filter(wanted)) {
    const instance = report.instance('storage', bucket)
    if (!(await report.create(instance, () => storage.makeBucket({ bucket })))) continue
    let batch: File[] = []
    const bringBatch = async () => {
      const bring = (file: File) => report.count(instance, file.object, () => store(storage, bucket, file))
      await Promise.all(batch.map(bring))
      batch = []
    }
    for await (const file of filesBelow(join(path, bucket), '', report, instance)) {
      if (batch.push(file) === AT_ONCE) await bringBatch()
    }
    await bringBatch()
  }
}

/** Every file, with its place below the bucket as its name. What is neither file nor directory is never followed. */
async function* filesBelow(
  directory: string,
  prefix: string,
  report: ImportReport,
  instance: Imported,
): AsyncGenerator<File> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const object = prefix + entry.name
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path, `${object}/`, report, instance)
    else if (entry.isFile()) yield { path, object }
    else report.refuse(instance, object, `it is ${kindOf(entry)}, no file`)
  }
}

function kindOf(entry: Dirent): string {
  return entry.isSymbolicLink() ? 'a link' : 'a device, pipe or socket'
}

async function store(storage: Storage, bucket: string, { path, object }: File): Promise<'existing' | 'imported'> {
  if (await exists(storage, bucket, object)) return 'existing'
  const file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new HyperError('SOURCE_INVALID', `it cannot be read (${cause.code})`, { cause })
  })
  await using _closing = file
  await storage.putObject({ bucket, object, body: file.createReadStream({ autoClose: false }) })
  return 'imported'
}

async function exists(storage: Storage, bucket: string, object: string): Promise<boolean> {
  try {
    await storage.getObject({ bucket, object })
    return true
  } catch (error) {
    if (error instanceof HyperError && error.status === 404) return false
    throw error
  }
}
