/** How many jobs a second a queue delivers to a target that answers at once, once they are all waiting. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { clientOf } from './fixture.ts'
import type { Server } from './processes.ts'

const JOBS = 10_000
const SENDERS = 20

/** @returns jobs per second */
export async function measureDelivery(sandbox: Server): Promise<number> {
  const client = clientOf(sandbox.url)
  const allWait = Promise.withResolvers<void>()
  const allCame = Promise.withResolvers<void>()
  let came = 0
  const target = createServer((request, response) => {
    request.resume()
    request.on('end', async () => {
      await allWait.promise
      response.writeHead(204).end()
      came += 1
      if (came === JOBS) allCame.resolve()
    })
  }).listen(0, '127.0.0.1')
  await once(target, 'listening')
  await client.put('/queue/bench-rate', { target: `http://127.0.0.1:${(target.address() as AddressInfo).port}/` })

  let next = 0
  const sendAll = async () => {
    while (next < JOBS) await client.post('/queue/bench-rate', { type: 'mail', to: 'ada@example.com', n: next++ })
  }
  await Promise.all(Array.from({ length: SENDERS }, sendAll))
  const began = performance.now()
  allWait.resolve()
  await allCame.promise
  const took = performance.now() - began
  target.close()
  target.closeAllConnections()
  return (JOBS / took) * 1_000
}
