/** Does what the queue brings. An answer other than 2xx brings the job again, three times in all. */
export default {
  async fetch(request, env) {
    const order = await request.json()
    if (!(order.amount > 0)) return new Response('an order needs an amount', { status: 422 })
    // A job may come twice: what is done is kept under its id.
    const { ok } = await env.hyper.fetch(`/cache/test/order-${order.id}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...order, isDone: true }),
    })
    console.log(`order ${order.id}: ${order.amount}`)
    return new Response(null, { status: ok ? 204 : 503 })
  },
}
