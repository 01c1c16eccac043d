/**
 * Uploads may take as long as they need while they move; every other request must arrive within the server's `requestTimeout`,
 * which Node knows only for all requests alike: of an upload it is passed over.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { answerClientError } from './plugins/errors.ts'

/** An upload that stands still is cut off after this long at the earliest, twice as long at the latest. */
const IDLE_MS = 30_000

const TIMEOUT_CODE = 'ERR_HTTP_REQUEST_TIMEOUT'

const uploading = new WeakSet<Socket>()

/** From now on to its end, the request is timed by its pauses. */
export function boundByIdleness(request: IncomingMessage, idleMs = IDLE_MS): void {
  const { socket } = request
  uploading.add(socket)
  // Not the socket's own timeout, which Node sets anew for the pause between two requests.
  let received = socket.bytesRead
  const watch = setInterval(() => {
    if (socket.bytesRead === received) {
      answerClientError(requestTimeout(), socket)
      socket.destroySoon()
    }
    received = socket.bytesRead
  }, idleMs).unref()
  const arrived = () => {
    uploading.delete(socket)
    clearInterval(watch)
  }
  request.once('end', arrived)
  request.once('close', arrived)
}

/** As Node's own. */
function requestTimeout(): Error {
  return Object.assign(new Error('the upload stands still'), { code: TIMEOUT_CODE })
}

/** Whether Node's verdict that the request on this socket took too long is to be passed over. */
export function isUploading(socket: Socket): boolean {
  return uploading.has(socket)
}
