// What an app's own `fetch` goes through: the hyper services by their name, everything else to the network it may use.

export default {
  fetch(request, env) {
    const { hostname } = new URL(request.url)
    return hostname === 'hyper.internal' ? env.hyper.fetch(request) : fetch(request)
  },
}
