/** What R2 tells of an object. */
import type { ObjectInfo } from '../ports/storage.ts'

export function headOf({ object, size, etag, modified, mediaType }: ObjectInfo): object {
  const tag = etag.slice(1, -1)
  return {
    name: object,
    version: `${modified}-${tag}`,
    size,
    etag: tag,
    uploaded: modified,
    httpFields: mediaType === undefined ? {} : { contentType: mediaType },
    customFields: [],
  }
}
