/** What the sandbox holds while it is measured. */

export interface Client {
  post(path: string, body: unknown): Promise<void>
  put(path: string, body?: unknown): Promise<void>
}

/** 40 groups and 40 ages of 25 documents each. */
export const documents = Array.from({ length: 1_000 }, (_, n) => ({
  _id: `document-${String(n).padStart(4, '0')}`,
  name: `Person ${n}`,
  age: n % 40,
  group: n % 40,
  email: `person-${n}@example.com`,
}))

export const keys = Array.from({ length: 1_000 }, (_, n) => `key-${n}`)

/** Some 10 KB; sent with a JSON type as any other, because storage reads none. */
export const object = JSON.stringify({ note: '#', text: 'lorem ipsum '.repeat(850) })

export async function fill(client: Client): Promise<void> {
  for (const path of ['/data/bench', '/data/bench-new', '/cache/bench', '/storage/bench']) await client.put(path)
  await client.post('/data/bench/_bulk', documents)
  for (const key of keys) await client.post('/cache/bench', { key, value: { user: 'ada', visits: 3 } })
}

export function clientOf(url: string): Client {
  async function send(method: string, path: string, body?: unknown): Promise<void> {
    const response = await fetch(url + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    await response.arrayBuffer()
  }
  return { post: (path, body) => send('POST', path, body), put: (path, body) => send('PUT', path, body) }
}
