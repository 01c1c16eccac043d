/** Takes orders, and leaves the work to whoever the queue delivers to. */
export default {
  async fetch(request, env) {
    if (request.method !== 'POST') return new Response('POST an order', { status: 405 })
    const order = { id: crypto.randomUUID(), ...(await request.json()) }
    const { ok } = await env.hyper.fetch('/queue/test', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(order),
    })
    return ok ? Response.json({ accepted: order.id }, { status: 202 }) : new Response('try again', { status: 503 })
  },
}
