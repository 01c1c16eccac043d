import { equal, ok } from './assert.js'

export const checks = {
  'request.url()'({ request }) {
    equal(request.url(), request.url)
    equal(new URL(request.url()).pathname, '/checks')
  },
  'request.url'({ request }) {
    equal(typeof request.url, 'string')
    ok(request.url === String(request.url) && request.url.startsWith('http://api.localhost:'))
  },
  'request.method()'({ request }) {
    equal(request.method(), 'POST')
    equal(request.clone().method(), 'POST')
  },
  'request.method'({ request }) {
    ok(request.method === 'POST')
    switch (request.method) {
      case 'POST':
        return
      default:
        throw new Error('the default branch')
    }
  },
  'request.headers()'({ request }) {
    equal(request.headers().get('x-a'), 'sent')
  },
  'request.headers'({ request }) {
    ok(request.headers instanceof Headers)
    equal(request.headers.get('x-a'), 'sent')
    equal(Object.fromEntries(request.headers)['x-a'], 'sent')
  },
  async 'request.text()'({ request }) {
    equal(await request.text(), '{"sent":true}')
  },
  async 'request.json()'({ request }) {
    equal(await request.json(), { sent: true })
  },
  'the method style of URL, Response, Headers, Blob, File and AbortController'() {
    const url = new URL('https://e.com:81/a?b#c')
    equal([url.pathname(), url.search(), url.hash(), url.host()], ['/a', '?b', '#c', 'e.com:81'])
    equal([url.hostname(), url.port(), url.href(), url.origin()], ['e.com', '81', url.href, 'https://e.com:81'])
    equal(url.protocol(), 'https:')
    const response = new Response('', { status: 404, headers: { 'x-a': '1' } })
    equal([response.status(), response.ok(), response.statusText()], [404, false, 'Not Found'])
    equal(response.headers().get('x-a'), '1')
    equal([new Blob(['ab'], { type: 't/t' }).size(), new Blob(['ab'], { type: 't/t' }).type()], [2, 't/t'])
    const file = new File([], 'n', { lastModified: 1 })
    equal([file.name(), file.lastModified()], ['n', 1])
    equal(new AbortController().signal().aborted, false)
  },
  'code of the standard keeps its meaning where names are alike'() {
    const own = { url: () => 'called', status: (code = 'none') => code, size: 3 }
    equal([own.url(), own.status(), own.status(5), own.size], ['called', 'none', 5, 3])
    const map = new Map([[1, 2]])
    equal([map.size, map.size()], [1, 1])
    class Base {
      type() {
        return `${this.constructor.name} base`
      }
    }
    class Derived extends Base {
      type() {
        return super.type()
      }
    }
    equal(new Derived().type(), 'Derived base')
  },
  'env: text from the configuration'({ env }) {
    equal(env.MY_VAR, 'mine')
    equal(env.OTHERS, undefined)
  },
}
