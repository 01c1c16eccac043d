import { Hono } from 'hono'

interface Visits {
  get(key: string): Promise<string | null>
  put(key: string, value: string): Promise<void>
}

const app = new Hono<{ Bindings: { GREETING: string; VISITS: Visits } }>()

app.get('/', (c) => c.text(`${c.env.GREETING} from hono`))

app.get('/hello/:name', async (c) => {
  const name = c.req.param('name')
  const visits = Number((await c.env.VISITS.get(name)) ?? 0) + 1
  await c.env.VISITS.put(name, String(visits))
  return c.json({ hello: name, visits })
})

app.notFound((c) => c.json({ error: 'there is no such page' }, 404))

export default app
