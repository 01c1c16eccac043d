/** A WebSocket passed through to an app's process (worker-runtime §12.7). */
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import type { ForwardTarget } from './forward.ts'
import { OWN_HEADER } from './own-headers.ts'
import { targetOf } from './target.ts'

export function upgrade(target: ForwardTarget, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy())
  void Promise.resolve(target.isDraining ? undefined : target.pick()).then((replica) => {
    if (!replica)
      return void socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    const upstream = connect(replica.address)
    const exchange: Exchange = { startedAt: performance.now(), isAnswered: true, onKilled() {} }
    replica.exchanges.add(exchange)
    const end = () => {
      replica.exchanges.delete(exchange)
      upstream.destroy()
      socket.destroy()
    }
    upstream.on('error', end).on('close', end)
    socket.on('close', end)
    const lines = [`${request.method} ${targetOf(request)} HTTP/1.1`]
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      const name = request.rawHeaders[at] as string
      if (target.isPassedOn || !name.toLowerCase().startsWith(OWN_HEADER))
        lines.push(`${name}: ${request.rawHeaders[at + 1]}`)
    }
    const { headers = [] } = replica
    for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (head.length > 0) upstream.write(head)
    upstream.pipe(socket).pipe(upstream)
  })
}
