// Does what its query asks and answers with what came of it.
import { connect } from 'cloudflare:sockets'

const WAYS = {
  async fetch(url) {
    const response = await fetch(url, {
      headers: { 'x-hyper-sandbox-caller': 'forged', 'x-hyper-sandbox-target': 'app:other' },
    })
    return `${response.status} ${(await response.text()).slice(0, 100)}`
  },
  post: async (url) => String((await fetch(url, { method: 'POST' })).status),
  async socket(address) {
    await connect(address).opened
    return 'opened'
  },
  websocket: (url) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url)
      socket.onopen = () => resolve('opened')
      socket.onerror = ({ message }) => reject(message)
    }),
  async hyper(path, env) {
    const headers = { 'x-hyper-sandbox-caller': 'forged', 'x-hyper-sandbox-target': 'app:other' }
    const response = await env.hyper.fetch(`http://hyper${path}`, { headers })
    return `${response.status} ${(await response.text()).slice(0, 100)}`
  },
}

export default {
  async fetch(request, env) {
    const query = new URL(request.url).searchParams
    try {
      return new Response(await WAYS[query.get('way')](query.get('to'), env))
    } catch (error) {
      return new Response(String(error), { status: 502 })
    }
  },
}
