import type { ServerResponse } from 'node:http'

/** Told once of each request, with status 0 when the client left before there was one. */
export type OnDone = (status: number, bytes: number) => void

/** An answer of ours in place of the app's (worker-runtime §4.4). */
export function refuse(
  response: ServerResponse,
  status: number,
  body: object | string,
  onDone: OnDone,
  more: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const type = typeof body === 'string' ? 'text/plain' : 'application/json'
  if (!response.headersSent && !response.destroyed) {
    const headers = { 'content-type': type, 'content-length': String(Buffer.byteLength(text)), ...more }
    // Flat, as an app's own: the gateway's headers are for its services.
    response.writeHead(status, Object.entries(headers).flat()).end(text)
  }
  onDone(status, text.length)
}
