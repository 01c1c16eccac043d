/** Multipart bodies as clients write them, and as they should not. */
import type { Sending } from './http.ts'

export interface Part {
  name: string
  filename?: string
  type?: string
  content: string | Uint8Array
}

export const BOUNDARY = '----proof7d1a'

export function file(filename: string, content: string | Uint8Array = 'content', type?: string): Part {
  return { name: 'file', filename, content, ...(type !== undefined && { type }) }
}

export function field(name: string, content: string): Part {
  return { name, content }
}

export function formBytes(parts: readonly Part[]): Buffer {
  const pieces = parts.flatMap(({ name, filename, type, content }) => [
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"`,
    filename === undefined ? '' : `; filename="${filename}"`,
    type === undefined ? '' : `\r\nContent-Type: ${type}`,
    '\r\n\r\n',
    content,
    '\r\n',
  ])
  return Buffer.concat([...pieces, `--${BOUNDARY}--\r\n`].map((piece) => Buffer.from(piece)))
}

export function form(...parts: Part[]): Sending {
  return { headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }, body: formBytes(parts) }
}
