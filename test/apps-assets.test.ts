/** Static files of apps: what is served, as what, and what never is (design §9). */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { serveAsset } from '../server/app-assets.ts'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'

const WORKER = `export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (pathname.startsWith('/by-binding')) return env.ASSETS.fetch('http://any' + pathname.slice('/by-binding'.length))
    return new Response('the worker: ' + request.method + ' ' + pathname)
  },
}`

const FILES = {
  'public/index.html': '<h1>home</h1>',
  'public/style.css': 'body {}',
  'public/app.mjs': 'export {}',
  'public/logo.svg': '<svg/>',
  'public/digits.txt': '0123456789',
  'public/empty.txt': '',
  'public/a b/é.txt': 'odd name',
  'public/docs/index.html': 'docs',
  'public/about.html': 'about',
  'public/no-index/file.txt': 'file',
  'public/.env': 'SECRET=1',
  'public/.git/config': 'secret',
  'public/.well-known/security.txt': 'contact',
  'secret.txt': 'outside',
}

let apps: TestAppHost
let outside: string
before(async () => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-assets-')))
  writeFileSync(join(outside, 'secret.txt'), 'outside')
  mkdirSync(join(outside, 'linked'))
  writeFileSync(join(outside, 'linked/page.txt'), 'outside')
  apps = await startAppHost({}, { host: { serveAsset } })
  await apps.apply({
    site: { assets: './site/public', files: { 'index.js': WORKER, ...FILES } },
  })
  const root = join(apps.directory, 'site/public')
  symlinkSync(join(outside, 'secret.txt'), join(root, 'link.txt'))
  symlinkSync(join(outside, 'linked'), join(root, 'linked'))
  symlinkSync('../secret.txt', join(root, 'near.txt'))
  symlinkSync('digits.txt', join(root, 'inside.txt'))
  symlinkSync('loop', join(root, 'loop'))
})
after(async () => {
  await apps?.[Symbol.asyncDispose]()
  rmSync(outside, { recursive: true, force: true })
})

/** A path as it is written, which clients would normalise. */
function raw(path: string): Promise<{ status: number; text: string; location: string | undefined }> {
  const { hostname, port } = new URL(apps.url)
  return new Promise((resolve, reject) => {
    httpRequest({ hostname, port, path, headers: { host: 'site.localhost' } }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part) => {
        text += part
      })
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, location: answer.headers.location }))
    })
      .on('error', reject)
      .end()
  })
}

test('files are served with their types, indexes and pages without an extension too', async () => {
  const types = {
    '/': 'text/html; charset=UTF-8',
    '/index.html': 'text/html; charset=UTF-8',
    '/style.css': 'text/css; charset=UTF-8',
    '/app.mjs': 'application/javascript; charset=UTF-8',
    '/logo.svg': 'image/svg+xml',
    '/about': 'text/html; charset=UTF-8',
    '/a%20b/%C3%A9.txt': 'text/plain; charset=UTF-8',
    '/.well-known/security.txt': 'text/plain; charset=UTF-8',
    '/inside.txt': 'text/plain; charset=UTF-8',
  }
  for (const [path, type] of Object.entries(types)) {
    const { status, headers } = await apps.get('site', path)
    assert.deepEqual([status, headers.get('content-type')], [200, type], path)
    // The gateway's own policy would keep its scripts from running.
    assert.equal(headers.get('content-security-policy'), null)
  }
  assert.equal((await apps.get('site', '/')).text, '<h1>home</h1>')
  assert.equal((await apps.get('site', '/a%20b/%C3%A9.txt')).text, 'odd name')
  assert.deepEqual((await apps.get('site', '/empty.txt')).text, '')
  assert.equal((await apps.get('site', '/docs/')).text, 'docs')
  const docs = await apps.get('site', '/docs?q=1')
  assert.deepEqual([docs.status, docs.headers.get('location')], [307, '/docs/?q=1'])
})

test('what is no file is the worker to answer, and so is everything that is not read', async () => {
  assert.equal((await apps.get('site', '/api/x')).text, 'the worker: GET /api/x')
  assert.equal((await apps.get('site', '/no-index/')).text, 'the worker: GET /no-index/')
  assert.equal((await apps.get('site', '/no-index')).text, 'the worker: GET /no-index')
  assert.equal(
    (await apps.get('site', '/digits.txt', { method: 'POST', body: 'x' })).text,
    'the worker: POST /digits.txt',
  )
})

test('a version that a client has is not sent again, until it changes', async () => {
  const { headers } = await apps.get('site', '/style.css')
  const etag = headers.get('etag') as string
  const again = await apps.get('site', '/style.css', { headers: { 'if-none-match': etag } })
  assert.deepEqual([again.status, again.text, again.headers.get('etag')], [304, '', etag])
  const since = await apps.get('site', '/style.css', {
    headers: { 'if-modified-since': headers.get('last-modified') as string },
  })
  assert.equal(since.status, 304)
  writeFileSync(join(apps.directory, 'site/public/style.css'), 'body { color: red }')
  const changed = await apps.get('site', '/style.css', { headers: { 'if-none-match': etag } })
  assert.deepEqual([changed.status, changed.text], [200, 'body { color: red }'])
  assert.equal((await apps.get('site', '/style.css', { headers: { 'if-match': etag } })).status, 412)
})

test('a range is served, of the version that was meant', async () => {
  const get = async (range: string, more = {}) => {
    const { status, headers, text } = await apps.get('site', '/digits.txt', { headers: { range, ...more } })
    return [status, headers.get('content-range'), text]
  }
  assert.deepEqual(await get('bytes=2-4'), [206, 'bytes 2-4/10', '234'])
  assert.deepEqual(await get('bytes=-3'), [206, 'bytes 7-9/10', '789'])
  assert.deepEqual(await get('bytes=20-'), [416, 'bytes */10', ''])
  assert.deepEqual(await get('bytes=2-4', { 'if-range': '"another"' }), [200, null, '0123456789'])
  const head = await apps.get('site', '/digits.txt', { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length'), head.text], [200, '10', ''])
})

test('nothing outside the directory is served, nor what is hidden in it', async () => {
  const paths = [
    ...[
      '/../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/docs/../../secret.txt',
      '/x/%2e%2e%2f%2e%2e/secret.txt',
    ],
    ...['/link.txt', '/linked/page.txt', '/near.txt', '/loop', '/..\\secret.txt', '/%5c..%5csecret.txt'],
    ...['/.env', '/.git/config', '/%2eenv', '/digits.txt%00', '/%', '//etc/passwd', '/..'],
  ]
  for (const path of paths) {
    const { status, text } = await raw(path)
    assert.match(text, status === 200 ? /^the worker: GET/ : /^$|error/, path)
    assert.doesNotMatch(text, /outside|secret=|SECRET|root:/, path)
  }
  // Nor is another host named by a redirect.
  assert.equal((await raw('//docs')).location, '/docs/')
})

test('files alone are an app', async () => {
  await using alone = await startAppHost(
    { files: { assets: './files', files: { 'index.html': 'alone' } } },
    { host: { serveAsset } },
  )
  assert.equal((await alone.get('files')).text, 'alone')
  const none = await alone.get('files', '/none')
  assert.deepEqual([none.status, none.text], [404, 'Not Found'])
})

test('the worker can ask for files itself', async () => {
  assert.equal((await apps.get('site', '/by-binding/digits.txt')).text, '0123456789')
  assert.equal((await apps.get('site', '/by-binding/none.txt')).status, 404)
  assert.equal((await apps.get('site', '/by-binding/link.txt')).status, 404)
})
