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

/** Some sixty words each, of which one is in one of a hundred documents. */
export const articles = Array.from({ length: 1_000 }, (_, n) => articleOf(n))

export function articleOf(n: number): { _id: string; title: string; text: string } {
  const words = Array.from({ length: 55 }, (_, place) => `word${(n * 7919 + place * place * 104_729) % 4_001}`)
  return { _id: `article-${n}`, title: `Article ${n} about topic${n % 100}`, text: `Said by all: ${words.join(' ')}.` }
}

export async function fill(client: Client): Promise<void> {
  for (const path of ['/data/bench', '/data/bench-new', '/cache/bench', '/storage/bench']) await client.put(path)
  await client.post('/data/bench/_bulk', documents)
  await client.put('/search/bench', { fields: ['title', 'text'], storeFields: ['title'] })
  await client.post('/search/bench/_bulk', articles)
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
