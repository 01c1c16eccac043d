/** Keeps the last times at which it was called by the clock. */
export default {
  async scheduled({ cron, scheduledTime }, env, ctx) {
    const at = new Date(scheduledTime).toISOString()
    console.log(`${cron}: ${at}`)
    ctx.waitUntil(env.TIMES.put(at, cron, { expirationTtl: 3600 }))
  },

  async fetch(_request, env) {
    const { keys } = await env.TIMES.list()
    return Response.json(keys.map(({ name }) => name))
  },
}
