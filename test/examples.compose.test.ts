/** The example that uses everything, on containers: the same answers as without. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { send } from './acceptance/http.ts'
import { type TestProject, test } from './helpers/cli.ts'
import { ComposeProject, type StackImages, stackImages, testsOn } from './helpers/compose-project.ts'
import { exampleProject } from './helpers/example.ts'

testsOn('the to-do example in containers', await stackImages(), (images) => {
  test('todo: all five services behind one page', { skip: withoutSearch(images) }, async () => {
    await using project = exampleProject('todo', () => new PatientProject(images))
    const settings = parse(readFileSync(project.file('hyper-sandbox.yaml'), 'utf8'))
    const name = `bindings-test-${randomUUID().slice(0, 8)}`
    project.write('hyper-sandbox.yaml', stringify({ ...settings, images, name }))
    const { url } = await project.up('--data', '--cache', '--storage', '--search', '--queue')
    const api = (method: string, path: string, more = {}) =>
      send(method, `${url}/api/${path}`, { ...more, headers: { host: 'todo.localhost' } })
    await patiently('the page is served', async () => {
      const { status } = await send('GET', `${url}/`, { headers: { host: 'todo.localhost' } })
      return status === 200
    })

    const milk = (await api('POST', 'todos', { json: { title: 'Buy milk' } })).json() as { _id: string }
    await api('POST', 'todos', { json: { title: 'Read a book' } })
    await patiently('it is found', async () => {
      const [found] = (await api('GET', 'todos?find=book')).json() as { title: string }[]
      return found?.title === 'Read a book'
    })
    assert.deepEqual((await api('GET', 'count')).json(), { open: 2, from: 'data' })
    assert.deepEqual((await api('GET', 'count')).json(), { open: 2, from: 'cache' })
    assert.equal((await api('PUT', `todos/${milk._id}/file`, { body: 'two litres' })).status, 200)
    assert.equal((await api('GET', `todos/${milk._id}/file`)).text, 'two litres')
    await patiently('the queue brought what happened', async () => {
      return ((await api('GET', 'activity')).json() as object[]).length === 3
    })
  })
})

/** Containers may take a while on a busy machine. */
class PatientProject extends ComposeProject {
  override async run(...args: Parameters<TestProject['run']>): ReturnType<TestProject['run']> {
    return await this.start(...args).ended
  }
}

async function patiently(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(100)
  }
}

function withoutSearch({ meilisearch }: StackImages): string | false {
  return meilisearch === undefined ? 'there is no image of Meilisearch' : false
}
