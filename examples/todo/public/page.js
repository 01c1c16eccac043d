const element = (id) => document.getElementById(id)

async function call(path, init) {
  const response = await fetch(path, init)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return await response.json()
}

const send = (method, body) => ({ method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })

function row(todo) {
  const item = element('todo').content.firstElementChild.cloneNode(true)
  const path = `api/todos/${todo._id}`
  item.classList.toggle('done', todo.isDone)
  item.querySelector('.title').textContent = todo.title
  const box = item.querySelector('[type=checkbox]')
  box.checked = todo.isDone
  box.addEventListener('change', () => act(path, send('PATCH', { isDone: box.checked })))
  item.querySelector('.remove').addEventListener('click', () => act(path, { method: 'DELETE' }))
  item.querySelector('[type=file]').addEventListener('change', ({ target: { files } }) => {
    const [file] = files
    const headers = { 'x-file-name': encodeURIComponent(file.name), 'content-type': file.type || 'text/plain' }
    return act(`${path}/file`, { method: 'PUT', body: file, headers })
  })
  if (todo.file) {
    const link = document.createElement('a')
    Object.assign(link, { href: `${path}/file`, target: '_blank', textContent: todo.file.name })
    item.querySelector('.file').append(link)
  }
  return item
}

async function act(path, init) {
  await call(path, init)
  await show()
}

async function show() {
  const words = element('find').value.trim()
  const [todos, { open, from }] = await Promise.all([
    call(`api/todos${words ? `?find=${encodeURIComponent(words)}` : ''}`),
    call('api/count'),
  ])
  element('todos').replaceChildren(...todos.map(row))
  element('none').hidden = todos.length > 0
  element('count').textContent = `${open} open (from ${from})`
}

async function showActivity() {
  const happened = await call('api/activity')
  element('activity').replaceChildren(
    ...happened.map(({ text, at }) => {
      const item = document.createElement('li')
      item.textContent = `${new Date(at).toLocaleTimeString()} ${text}`
      return item
    }),
  )
}

element('add').addEventListener('submit', async (event) => {
  event.preventDefault()
  const { title } = event.target.elements
  await act('api/todos', send('POST', { title: title.value }))
  title.value = ''
})
element('find').addEventListener('input', show)

await show()
await showActivity()
// Jobs take a moment.
setInterval(showActivity, 1_000)
