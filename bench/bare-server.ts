/**
 * The yardstick: a bare `node:http` server that reads each request's body and gives the answer the gateway gave to the same
 * request, head and body, byte for byte. What the gateway costs beyond that is routing, validation and storage.
 * Started as a process of its own: `bare-server.ts '<json>'` with the answer; prints its TCP port.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BareAnswer {
  status: number
  headers: [string, string][]
  body: string
}

const answer = JSON.parse(process.argv[2] ?? '{}') as BareAnswer
const headers = answer.headers.flat()

const server = createServer((request, response) => {
  request.on('data', () => {})
  request.on('end', () => {
    response.writeHead(answer.status, headers)
    response.end(answer.body)
  })
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
