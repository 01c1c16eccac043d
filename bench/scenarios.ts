/** What is measured: each request against a sandbox that holds 1 000 documents and keys. */
import { type Client, documents, keys, object } from './fixture.ts'

export interface Scenario {
  name: string
  /** Least share of the bare server's throughput, and what we aim at. */
  floor: number
  aim: number
  method: 'GET' | 'POST' | 'PUT'
  /** Here and in bodies, `#` becomes a number never used before. */
  path: string
  /** In turn. */
  bodies?: string[]
  /** @param target the URL of a server that answers 204 to everything */
  prepare?(client: Client, target: string): Promise<void>
  /** Waits until the sandbox does nothing any more for earlier requests, which would slow the bare server down. */
  settle?(url: string): Promise<void>
}

const query = (member: string) =>
  Array.from({ length: 100 }, (_, age) => JSON.stringify({ selector: { [member]: age % 40 } }))

export const scenarios: Scenario[] = [
  { name: 'GET cache', floor: 0.6, aim: 0.75, method: 'GET', path: `/cache/bench/${keys[7]}` },
  {
    name: 'POST cache',
    floor: 0.33,
    aim: 0.4,
    method: 'POST',
    path: '/cache/bench',
    bodies: ['{"key":"new-#","value":{"user":"ada","visits":3}}'],
  },
  {
    name: 'PUT cache',
    floor: 0.33,
    aim: 0.4,
    method: 'PUT',
    path: `/cache/bench/${keys[9]}`,
    bodies: ['{"user":"ada","visits":4}'],
  },
  { name: 'GET data', floor: 0.55, aim: 0.65, method: 'GET', path: `/data/bench/${documents[7]?._id}` },
  {
    name: 'POST data',
    floor: 0.28,
    aim: 0.35,
    method: 'POST',
    path: '/data/bench-new',
    bodies: ['{"_id":"new-#","name":"Ada Lovelace","age":36,"tags":["math"]}'],
  },
  {
    name: '_query by index',
    floor: 0.3,
    aim: 0.4,
    method: 'POST',
    path: '/data/bench/_query',
    bodies: query('group'),
    prepare: (client) => client.post('/data/bench/_index', { name: 'by-group', fields: ['group'] }),
  },
  {
    name: '_query by scan',
    floor: 0.08,
    aim: 0.1,
    method: 'POST',
    path: '/data/bench/_query',
    bodies: query('age'),
  },
  {
    name: 'search rare word',
    floor: 0.2,
    aim: 0.4,
    method: 'POST',
    path: '/search/bench/_query',
    bodies: Array.from({ length: 100 }, (_, n) => JSON.stringify({ query: `topic${n}` })),
  },
  {
    name: 'POST search',
    floor: 0.1,
    aim: 0.15,
    method: 'POST',
    path: '/search/bench',
    bodies: [JSON.stringify({ key: 'new-#', doc: { title: 'Ada Lovelace', text: 'wrote the first program' } })],
  },
  {
    name: 'GET object',
    floor: 0.35,
    aim: 0.5,
    method: 'GET',
    path: '/storage/bench/object.json',
    prepare: (client) => client.post('/storage/bench/object.json', JSON.parse(object)),
  },
  { name: 'POST object', floor: 0.1, aim: 0.2, method: 'POST', path: '/storage/bench/new-#', bodies: [object] },
  {
    name: 'enqueue',
    floor: 0.35,
    aim: 0.6,
    method: 'POST',
    path: '/queue/bench',
    bodies: ['{"type":"mail","to":"ada@example.com","number":"#"}'],
    prepare: (client, target) => client.put('/queue/bench', { target }),
    settle: async (url) => {
      for (let waiting = 1; waiting > 0; ) {
        await new Promise((resolve) => setTimeout(resolve, 200))
        const { jobs } = (await (await fetch(`${url}/queue/bench?status=READY`)).json()) as { jobs: unknown[] }
        waiting = jobs.length
      }
    },
  },
]
