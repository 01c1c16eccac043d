export default {
  fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket') {
      return new Response('connect with a WebSocket', { status: 426, headers: { upgrade: 'websocket' } })
    }
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.addEventListener('message', ({ data }) => {
      if (data === 'bye') server.close(1000, 'bye')
      else server.send(typeof data === 'string' ? `echo: ${data}` : data)
    })
    return new Response(null, { status: 101, webSocket: client })
  },
}
