/** hyper-api §§6.1, 6.2 with §12.1 B3, B10, §12.2 B14 and §12.3.5: how an upload is read, and which are refused. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type Domain, inBucket, inEmptyDomain } from './case.ts'
import { BOUNDARY, field, file, form, formBytes, type Part } from './form.ts'
import { answers, type Reply, refuses, type Sending } from './http.ts'

const NO_FORM = 'body must be FormData that contains a file field and optional path field'
const TEXT = { 'content-type': 'text/plain' }

async function keys({ onStorage }: Domain): Promise<string[]> {
  const reply = await onStorage('GET')
  assert.equal(reply.status, 200, reply.text)
  return (reply.json() as { objects: string[] }).objects
}

async function holds({ onStorage }: Domain, path: string, content: string | Uint8Array): Promise<void> {
  const reply = await onStorage('GET', `/${path}`)
  assert.equal(reply.status, 200, `${path}: ${reply.text.slice(0, 200)}`)
  assert.ok(reply.bytes.equals(Buffer.from(content)), path)
}

/** A signed-url request's answer: a URL, and nothing stored. */
async function signs(domain: Domain, reply: Reply): Promise<void> {
  const { url } = reply.json() as { url: string }
  answers(reply, 201, { ok: true, url })
  assert.ok(URL.canParse(url), url)
  assert.deepEqual(await keys(domain), [])
}

/** The form is refused with one of these statuses, and nothing is stored. */
async function refusesForm(domain: Domain, rest: string, sending: Sending, statuses: number[]): Promise<Reply> {
  const reply = await domain.onStorage('POST', rest, sending)
  assert.ok(statuses.includes(reply.status), `${rest}: ${reply.status} ${reply.text}`)
  refuses(reply, reply.status)
  assert.deepEqual(await keys(domain), [])
  return reply
}

export const storageUploadCases = [
  // Which kind of upload it is

  ...inBucket('hyper-api 6.1.3: any Content-Type but multipart is the object’s bytes', async (domain) => {
    const bytes = randomBytes(1_000)
    for (const type of [
      'application/octet-stream',
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json',
      'image/png',
      'Multipart/Form-Data; boundary=x',
      'multipart/mixed; boundary=x',
      'garbage',
    ]) {
      answers(await domain.onStorage('POST', '/o', { headers: { 'content-type': type }, body: bytes }), 201, {
        ok: true,
      })
      await holds(domain, 'o', bytes)
      await domain.onStorage('DELETE', '/o')
    }
  }),
  ...inBucket('hyper-api 6.1, corner 27: JSON is stored as it came, good or bad', async (domain) => {
    for (const body of ['{bad', '{"n": 1.0}', '\ufeff{}', '"x"']) {
      const sending = { headers: { 'content-type': 'application/json' }, body }
      answers(await domain.onStorage('POST', '/a.json', sending), 201, { ok: true })
      await holds(domain, 'a.json', body)
    }
  }),
  ...inBucket('hyper-api 6.1: a body of no bytes is an empty object', async (domain) => {
    answers(await domain.onStorage('POST', '/a', { headers: TEXT, body: '' }), 201, { ok: true })
    answers(await domain.onStorage('POST', '/b', { headers: TEXT, chunks: [] }), 201, { ok: true })
    answers(await domain.onStorage('POST', '', form(file('c', ''))), 201, { ok: true })
    for (const name of ['a', 'b', 'c']) {
      await holds(domain, name, '')
      assert.equal((await domain.onStorage('GET', `/${name}`)).headers['content-length'], '0')
    }
  }),
  ...inBucket('hyper-api 1.6, 9.4: a chunked upload works', async (domain) => {
    const parts = Array.from({ length: 40 }, () => randomBytes(7_000))
    answers(await domain.onStorage('POST', '/o', { headers: TEXT, chunks: parts }), 201, { ok: true })
    await holds(domain, 'o', Buffer.concat(parts))
  }),
  ...inBucket('hyper-api 6.1.2, 12 B31: a signed url is asked for by Accept, query or no type', async (domain) => {
    const { onStorage } = domain
    const asJson = { ...TEXT, accept: 'application/json' }
    await signs(domain, await onStorage('POST', '/x', { headers: asJson, body: 'a' }))
    await signs(domain, await onStorage('POST', '/x?useSignedUrl=true', { headers: TEXT, body: 'a' }))
    await signs(domain, await onStorage('POST', '/x?useSignedUrl=%20true%20', { headers: TEXT, body: 'a' }))
    await signs(domain, await onStorage('POST', '/x', { body: 'a' }))
    await signs(domain, await onStorage('POST', '/x'))
    await signs(domain, await onStorage('POST', '/dir/x?useSignedUrl=true'))
  }),
  ...inBucket('hyper-api 6.1, corners 28 and 29: what only looks like asking is an upload', async (domain) => {
    const asked: [string, Record<string, string>][] = [
      ['', { accept: 'application/json, */*' }],
      ['', { accept: 'Application/JSON' }],
      ['', { accept: '*/*' }],
      ['?useSignedUrl=TRUE', {}],
      ['?useSignedUrl=false', {}],
      ['?useSignedUrl=1', {}],
      ['?useSignedUrl', {}],
      ['?usesignedurl=true', {}],
    ]
    for (const [at, [query, headers]] of asked.entries()) {
      const reply = await domain.onStorage('POST', `/o${at}${query}`, { headers: { ...TEXT, ...headers }, body: 'a' })
      answers(reply, 201, { ok: true })
      await holds(domain, `o${at}`, 'a')
    }
  }),
  ...inBucket('hyper-api 12.1 B10, 1.6: an upload has no limit', async (domain) => {
    const large = Buffer.alloc(12_000_000, randomBytes(997))
    answers(await domain.onStorage('POST', '/raw', { headers: TEXT, body: large }), 201, { ok: true })
    await holds(domain, 'raw', large)
    answers(await domain.onStorage('POST', '', form(file('form', large))), 201, { ok: true })
    await holds(domain, 'form', large)
  }),
  ...inBucket('hyper-api 6: the bytes come back as they went, at every size', async (domain) => {
    for (const size of [1, 65_535, 65_536, 65_537, 131_072, 1_000_003]) {
      const bytes = randomBytes(size)
      answers(await domain.onStorage('POST', `/raw${size}`, { headers: TEXT, body: bytes }), 201, { ok: true })
      answers(await domain.onStorage('POST', '', form(file(`form${size}`, bytes))), 201, { ok: true })
      await holds(domain, `raw${size}`, bytes)
      await holds(domain, `form${size}`, bytes)
    }
  }),

  // Forms

  ...inBucket('hyper-api 1.12 O3, 6.2: a form’s file is stored under its name', async (domain) => {
    answers(await domain.onStorage('POST', '', form(file('a.txt', 'one'))), 201, { ok: true })
    await holds(domain, 'a.txt', 'one')
    answers(await domain.onStorage('POST', '', form(file('a.txt', 'two'))), 201, { ok: true })
    await holds(domain, 'a.txt', 'two')
    assert.deepEqual(await keys(domain), ['a.txt'])
  }),
  ...inBucket('hyper-api 6.2: the path comes before the file or after it', async (domain) => {
    const large = randomBytes(200_000)
    answers(await domain.onStorage('POST', '', form(field('path', 'a'), file('x', 'one'))), 201, { ok: true })
    answers(await domain.onStorage('POST', '', form(file('x', 'two'), field('path', 'b'))), 201, { ok: true })
    answers(await domain.onStorage('POST', '', form(file('x', large), field('path', 'c/d'))), 201, { ok: true })
    await holds(domain, 'a/x', 'one')
    await holds(domain, 'b/x', 'two')
    await holds(domain, 'c/d/x', large)
    assert.deepEqual(await keys(domain), ['a/x', 'b/x', 'c/d/x'])
  }),
  ...inBucket('hyper-api 6.2, corner 32: how a path becomes the object’s name', async (domain) => {
    const table: [string, string | undefined, string][] = [
      // URL remainder, path field, name stored (of the file f.txt)
      ['', undefined, 'f.txt'],
      ['', 'a', 'a/f.txt'],
      ['', 'a/b', 'a/b/f.txt'],
      ['', 'a/', 'a/f.txt'],
      ['', '/a', 'a/f.txt'],
      ['', 'v1.2', 'f.txt'],
      ['', '.well-known', 'f.txt'],
      ['', 'a/v1.2', 'a/f.txt'],
      ['', 'v1.2/a', 'v1.2/a/f.txt'],
      ['', 'a/other.png', 'a/f.txt'],
      ['', 'ü ☃', 'ü ☃/f.txt'],
      ['', '', 'f.txt'],
      ['/u', undefined, 'u/f.txt'],
      ['/u3/name.jpg', undefined, 'u3/f.txt'],
      ['/name.jpg', undefined, 'f.txt'],
      ['/a%2Fb', undefined, 'a/b/f.txt'],
      ['/u', 'p', 'p/f.txt'],
      ['/u', '', 'u/f.txt'],
    ]
    for (const [rest, path, name] of table) {
      const parts: Part[] = path === undefined ? [file('f.txt')] : [field('path', path), file('f.txt')]
      for (const ordered of [parts, parts.toReversed()]) {
        answers(await domain.onStorage('POST', rest, form(...ordered)), 201, { ok: true })
        assert.deepEqual(await keys(domain), [name], `${rest} ${path}`)
        await domain.onStorage('DELETE', `/${encodeURIComponent(name)}`)
      }
    }
  }),
  ...inBucket('hyper-api 6.2: directories in the client’s filename are dropped', async (domain) => {
    for (const filename of ['../../evil.txt', '/etc/evil.txt', 'a/b/evil.txt', 'C:\\\\x\\\\evil.txt']) {
      answers(await domain.onStorage('POST', '', form(file(filename))), 201, { ok: true })
      assert.deepEqual(await keys(domain), ['evil.txt'], filename)
      await domain.onStorage('DELETE', '/evil.txt')
    }
  }),
  ...inBucket('hyper-api 6.5: a filename may be any text', async (domain) => {
    for (const filename of ['ü ☃ 😀.txt', 'a..b', 'no extension', '.hidden', "it's;=%41.txt"]) {
      answers(await domain.onStorage('POST', '', form(file(filename))), 201, { ok: true })
      assert.deepEqual(await keys(domain), [filename])
      await domain.onStorage('DELETE', `/${encodeURIComponent(filename)}`)
    }
  }),
  ...inBucket('hyper-api 6.2: other text fields, useSignedUrl and Accept change nothing in a form', async (domain) => {
    const sending = form(field('note', 'x'), file('f.txt', 'one'), field('more', 'y'))
    answers(await domain.onStorage('POST', '?useSignedUrl=true', sending), 201, { ok: true })
    const headers = { ...sending.headers, accept: 'application/json' }
    answers(await domain.onStorage('POST', '/dir?useSignedUrl=true', { ...sending, headers }), 201, { ok: true })
    assert.deepEqual(await keys(domain), ['dir/f.txt', 'f.txt'])
  }),
  ...inBucket('hyper-api 6.2, design 14.4: the file’s own media type is remembered', async (domain) => {
    const type = 'application/vnd.proof'
    answers(await domain.onStorage('POST', '', form(file('f', 'x', type))), 201, { ok: true })
    answers(await domain.onStorage('POST', '', form(file('f.png', 'x', type))), 201, { ok: true })
    assert.equal((await domain.onStorage('GET', '/f')).headers['content-type'], type)
    assert.equal((await domain.onStorage('GET', '/f.png')).headers['content-type'], 'image/png')
  }),
  ...inBucket('hyper-api 6.2: what in the file looks like a boundary is content', async (domain) => {
    const content = `\r\n--\r\n--${BOUNDARY.slice(0, -1)}\r\nContent-Disposition: x\r\n\r\n--${BOUNDARY}`.slice(0, -3)
    answers(await domain.onStorage('POST', '', form(file('f', content))), 201, { ok: true })
    await holds(domain, 'f', content)
  }),

  // Forms that are refused

  ...inBucket('hyper-api 1.12 O3: POST of a bucket takes forms only', async (domain) => {
    for (const sending of [
      { headers: TEXT, body: 'x' },
      { headers: { 'content-type': 'application/json' }, body: '{}' },
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'file=x' },
      {},
    ]) {
      refuses(await refusesForm(domain, '', sending, [422]), 422, NO_FORM)
      await refusesForm(domain, '?useSignedUrl=true', sending, [422])
    }
  }),
  ...inBucket('hyper-api 1.12 O3: a form without a file is 422', async (domain) => {
    for (const parts of [[], [field('path', 'a')], [field('file', 'text')], [field('path', 'a'), field('x', 'y')]]) {
      refuses(await refusesForm(domain, '', form(...parts), [422]), 422, NO_FORM)
      refuses(await refusesForm(domain, '/a', form(...parts), [422]), 422, NO_FORM)
    }
  }),
  ...inBucket('hyper-api 1.12 O3, 12.2 B14: one file, under the name file, or a 4xx', async (domain) => {
    const large = 'x'.repeat(300_000)
    for (const content of ['x', large]) {
      const other = { ...file('a', content), name: 'upload' }
      for (const parts of [
        [other],
        [file('a', content), file('b')],
        [file('b'), file('a', content)],
        [file('b', content), other],
        [file('a', content), file('a', content)],
      ]) {
        await refusesForm(domain, '', form(...parts), [400, 422])
        await refusesForm(domain, '/dir', form(...parts), [400, 422])
      }
    }
  }),
  ...inBucket('hyper-api 12.1 B3: a repeated path is 422', async (domain) => {
    await refusesForm(domain, '', form(field('path', 'a'), field('path', 'b'), file('f')), [422])
    await refusesForm(domain, '', form(field('path', 'a'), file('f', 'x'.repeat(300_000)), field('path', 'a')), [422])
    await refusesForm(domain, '/x', form(field('path', 'a'), field('path', 'b'), file('f')), [422])
  }),
  ...inBucket('hyper-api 1.12 O3, 6.5: a path that leads out is 400', async (domain) => {
    for (const [rest, path] of [
      ['', '../x'],
      ['', 'a/../b'],
      ['', './x'],
      ['/%2e%2e/x', undefined],
      ['/a/%2e%2e/b', undefined],
    ] as const) {
      const parts = path === undefined ? [file('f')] : [file('f'), field('path', path)]
      await refusesForm(domain, rest, form(...parts), [400])
      await refusesForm(domain, rest, form(...parts.toReversed()), [400])
    }
  }),
  ...inBucket('hyper-api 6.2: a filename that names nothing is a 4xx', async (domain) => {
    for (const filename of ['', '..', '.', 'a/', '/', `${'x'.repeat(1_100)}`]) {
      await refusesForm(domain, '', form(file(filename)), [400, 422])
    }
  }),
  ...inBucket('hyper-api 1.12 O3, 12.2 B14: a form without a boundary is 400', async (domain) => {
    const body = formBytes([file('f')])
    for (const [type, statuses] of [
      ['multipart/form-data', [400]],
      ['multipart/form-data; charset=utf-8', [400]],
      ['multipart/form-data; boundary=', [400, 422]],
    ] as const) {
      for (const rest of ['', '/x']) {
        await refusesForm(domain, rest, { headers: { 'content-type': type }, body }, [...statuses])
      }
    }
  }),
  ...inBucket('hyper-api 12.3.5: a form that ends too early is 400', async (domain) => {
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
    const whole = formBytes([field('path', 'a'), file('f', 'x'.repeat(100_000))])
    const head = whole.indexOf('\r\n\r\nxxx')
    const end = whole.lastIndexOf(`\r\n--${BOUNDARY}--`)
    for (const length of [10, head - 5, head + 4, head + 5, head + 50_000, end - 1, end, end + 10]) {
      await refusesForm(domain, '', { headers, body: whole.subarray(0, length) }, [400])
      await refusesForm(domain, '/x', { headers, body: whole.subarray(0, length) }, [400])
    }
  }),
  ...inBucket('hyper-api 12.2 B14: what is no form at all is a 4xx', async (domain) => {
    const headers = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }
    for (const body of ['', 'x', '{"file":1}', `--${BOUNDARY}`, '\r\n\r\n', 'x'.repeat(200_000)]) {
      await refusesForm(domain, '', { headers, body }, [400, 422])
    }
  }),
  ...inEmptyDomain('hyper-api 1.12 O3: a form for a missing bucket is 404', async ({ onStorage }) => {
    refuses(await onStorage('POST', '', form(file('f'))), 404, 'bucket does not exist')
    refuses(await onStorage('POST', '/a', form(file('f', 'x'.repeat(300_000)))), 404, 'bucket does not exist')
  }),
]
