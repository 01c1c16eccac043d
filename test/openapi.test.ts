import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { createSandbox } from '../cli/sandbox.ts'
import type { ApiDescription } from '../server/openapi.ts'

test('/openapi.json is valid OpenAPI and every operation in it is served', async () => {
  await using sandbox = await createSandbox()
  const description = (await (await fetch(`${sandbox.url}/openapi.json`)).json()) as ApiDescription
  const { valid, errors } = await new Validator().validate(structuredClone(description) as never)
  assert.ok(valid, JSON.stringify(errors))

  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  )
  assert.ok(operations.length >= 18, `${operations.length} operations`)
  for (const { method, path } of operations) {
    const url = sandbox.url + path.replace('{domain}', 'nowhere').replace('{id}', 'k')
    const response = await fetch(url, { method })
    const body = (await response.json()) as { msg?: string }
    assert.notEqual(body.msg, 'not found!', `${method} ${path}`)
  }
})

test('a schema of the description says what the port checks', async () => {
  await using sandbox = await createSandbox()
  const description = (await (await fetch(`${sandbox.url}/openapi.json`)).json()) as ApiDescription
  const list = description.paths['/data/{domain}']?.get
  assert.deepEqual(list?.parameters.map(({ name }) => name).sort(), [
    'descending',
    'domain',
    'endkey',
    'keys',
    'limit',
    'startkey',
  ])
  const index = description.paths['/data/{domain}/_index']?.post?.requestBody?.content['application/json']?.schema
  assert.deepEqual(index?.required, ['name', 'fields'])
  const add = description.paths['/cache/{domain}']?.post?.requestBody?.content['application/json']?.schema
  assert.deepEqual(Object.keys(add?.properties ?? {}).sort(), ['key', 'ttl', 'value'])
})

test('bodies and answers that are bytes are described as such', async () => {
  await using sandbox = await createSandbox()
  const description = (await (await fetch(`${sandbox.url}/openapi.json`)).json()) as ApiDescription
  const { get, post } = description.paths['/storage/{domain}/{object}'] ?? {}
  assert.deepEqual(Object.keys(post?.requestBody?.content ?? {}), ['*/*', 'multipart/form-data'])
  assert.deepEqual(get?.responses['200']?.content['*/*']?.schema, { type: 'string', format: 'binary' })
  assert.deepEqual(
    get?.parameters.map(({ name, in: place }) => `${place} ${name}`),
    ['path domain', 'path object', 'query useSignedUrl'],
  )
})

test('/docs is a page without scripts that names every operation', async () => {
  await using sandbox = await createSandbox()
  const response = await fetch(`${sandbox.url}/docs`)
  const page = await response.text()
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.doesNotMatch(page, /<script/)
  for (const operation of ['data.query', 'cache.set']) assert.match(page, new RegExp(`id="${operation}"`))
})
