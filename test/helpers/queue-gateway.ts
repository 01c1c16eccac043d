/** A gateway's queue in a process of its own, to be killed: delivers what is in the namespace given. */
import { createBullmqQueue } from '../../adapters/queue/bullmq.ts'
import { guard } from '../../server/port.ts'
import { queuePort } from '../../server/ports/queue.ts'

const [url = '', namespace = ''] = process.argv.slice(2)
const queue = guard(queuePort, createBullmqQueue({ url, namespace }))
await queue.start({})
setInterval(() => {}, 1_000)
