/** A way to a server on which connections can fall silent without being closed, as when a host vanishes; new ones work. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface FreezingProxy extends AsyncDisposable {
  tcpPort: number
  /** Nothing passes any more on the connections that there are. */
  freeze(): void
}

export async function startFreezingProxy(hostname: string, tcpPort: number): Promise<FreezingProxy> {
  const pairs = new Set<[Socket, Socket]>()
  const server = createServer((client) => {
    const upstream = connect(tcpPort, hostname)
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    pairs.add([client, upstream])
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    tcpPort: (server.address() as AddressInfo).port,
    freeze() {
      for (const [client, upstream] of pairs) {
        client.unpipe()
        upstream.unpipe()
        client.resume()
        upstream.resume()
      }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await once(server, 'close')
    },
  }
}
