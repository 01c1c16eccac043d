// Each check is a function of { request, env, upstream }; the test names one in the query.
import * as globals from './globals.js'
import * as handler from './handler.js'
import * as limitations from './limitations.js'
import * as streams from './streams.js'
import * as web from './web.js'

const groups = { globals, web, streams, handler, limitations }

export default {
  async fetch(request, env) {
    const query = new URL(request.url).searchParams
    if (!query.has('check')) {
      return Response.json(
        Object.entries(groups).flatMap(([group, { checks }]) => Object.keys(checks).map((name) => [group, name])),
      )
    }
    const check = groups[query.get('group')].checks[query.get('check')]
    const answer = await check({ request, env, upstream: env.UPSTREAM })
    return answer ?? new Response('passed')
  },
}
