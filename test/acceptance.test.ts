/** The acceptance cases against the real command line, on both URL structures; and the table of what they cover. */
import { after, before, test } from 'node:test'
import { registerCases } from './acceptance/cases.ts'
import { hangUp } from './acceptance/http.ts'
import { type Server, startServer } from './server-process.ts'

let server: Server
before(async () => {
  server = await startServer()
})
after(async () => {
  hangUp()
  await server.stop()
})

registerCases({ test, origin: () => server.url })
