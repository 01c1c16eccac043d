/** Which media type an object is served as (hyper-api §6.3, design §14.4). */

const DEFAULT_TYPE = 'application/octet-stream'

const TYPES: Record<string, string> = {
  txt: 'text/plain',
  log: 'text/plain',
  html: 'text/html',
  css: 'text/css',
  js: 'application/javascript',
  mjs: 'application/javascript',
  json: 'application/json',
  map: 'application/json',
  xml: 'application/xml',
  csv: 'text/csv',
  md: 'text/markdown',
  yaml: 'text/yaml',
  yml: 'text/yaml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  svg: 'image/svg+xml',
  ico: 'image/vnd.microsoft.icon',
  pdf: 'application/pdf',
  zip: 'application/zip',
  gz: 'application/gzip',
  tar: 'application/x-tar',
  mp3: 'audio/mpeg',
  wav: 'audio/wave',
  mp4: 'video/mp4',
  webm: 'video/webm',
  ts: 'video/mp2t',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
}

const EXTENSION = /\.([^./]+)$/
const TEXT = /^(?:text\/|application\/(?:javascript|json)(?:$|[\s;]))/i
const HAS_CHARSET = /;\s*charset\s*=/i
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;[\x20-\x7e]*)?$/
const MAX_LENGTH = 255

/** A known last extension decides, else what the uploader said. @param uploaded as `uploadedType` let it pass */
export function downloadType(object: string, uploaded: string | undefined): string {
  const extension = EXTENSION.exec(object)?.[1]?.toLowerCase()
  const known = extension !== undefined && Object.hasOwn(TYPES, extension) ? TYPES[extension] : undefined
  const type = known ?? uploaded ?? DEFAULT_TYPE
  return TEXT.test(type) && !HAS_CHARSET.test(type) ? `${type}; charset=UTF-8` : type
}

/** What is remembered of an uploader's Content-Type: nothing of one that could not be sent back. */
export function uploadedType(header: string | undefined): string | undefined {
  return header !== undefined && header.length <= MAX_LENGTH && MEDIA_TYPE.test(header) ? header : undefined
}
