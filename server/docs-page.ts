/** The API description as one page without scripts: what there is, what to send, what comes back, a curl line to copy. */
import type { ApiDescription, DescribedOperation } from './openapi.ts'

const STYLE = `
  :root { color-scheme: light dark; --line: light-dark(#d8dee6, #2c333d); --soft: light-dark(#f4f6f9, #171b21);
    --get: #2a7de1; --post: #2a9d4e; --put: #c47f12; --delete: #d0423a }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 58rem; margin: 0 auto; padding: 1.5rem }
  h1 { margin: 0 } h2 { margin-top: 2.2rem; text-transform: capitalize }
  details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0 }
  summary { cursor: pointer; padding: .55rem .8rem; display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap }
  details > div { padding: 0 .9rem .8rem; border-top: 1px solid var(--line) }
  code, pre { font: 13px/1.5 ui-monospace, monospace } pre { background: var(--soft); padding: .7rem; border-radius: 6px; overflow-x: auto }
  .method { font: 700 12px ui-monospace, monospace; width: 4.2rem }
  .get { color: var(--get) } .post { color: var(--post) } .put { color: var(--put) } .delete { color: var(--delete) }
  table { border-collapse: collapse } td { padding: .15rem 1.2rem .15rem 0; vertical-align: top } small { opacity: .75 }`

/** @param origin where this sandbox was reached, for the examples */
export function renderDocs(api: ApiDescription, origin: string): string {
  const sections = api.tags.map(({ name }) => {
    const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation.tags.includes(name))
        .map(([method, operation]) => renderOperation(method, path, operation, origin)),
    )
    return `<h2 id="${escapeHtml(name)}">${escapeHtml(name)}</h2>${operations.join('')}`
  })
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(api.info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(api.info.title)}</h1><p><small>${escapeHtml(api.info.version)} · <a href="/openapi.json">openapi.json</a></small></p>
<p>${escapeHtml(api.info.description)}</p>${sections.join('')}</body></html>`
}

function renderOperation(method: string, path: string, operation: DescribedOperation, origin: string): string {
  const query = operation.parameters.filter((parameter) => parameter.in === 'query')
  const [[status, success] = ['', undefined]] = Object.entries(operation.responses)
  const [[bodyType = '', body] = []] = Object.entries(operation.requestBody?.content ?? {})
  const rows = query.map(
    ({ name, schema }) =>
      `<tr><td><code>${escapeHtml(name)}</code></td><td>${escapeHtml(String(schema.type ?? 'any'))}</td></tr>`,
  )
  return `<details id="${escapeHtml(operation.operationId)}"><summary><span class="method ${method}">${method.toUpperCase()}</span>
<code>${escapeHtml(path)}</code><span>${escapeHtml(operation.summary)}</span></summary><div>
${rows.length > 0 ? `<p>Query parameters</p><table>${rows.join('')}</table>` : ''}
${body ? `<p>Body: ${escapeHtml(Object.keys(operation.requestBody?.content ?? {}).join(' or '))}</p><pre>${escapeHtml(JSON.stringify(body.schema, null, 2))}</pre>` : ''}
<p>Answer ${escapeHtml(status)}</p><pre>${escapeHtml(JSON.stringify(success?.content['application/json']?.example, null, 2) ?? '')}</pre>
<p>Try it</p><pre>${escapeHtml(curl(method, path, origin, bodyType))}</pre></div></details>`
}

function curl(method: string, path: string, origin: string, bodyType: string): string {
  const url = `${origin}${path.replace('{domain}', 'test').replace('{id}', 'a').replace('{object}', 'a.txt')}`
  if (bodyType === 'multipart/form-data') return `curl ${url} -F file=@a.txt`
  if (bodyType === '*/*') return `curl ${url} -H 'content-type: text/plain' --data-binary @a.txt`
  if (bodyType) return `curl -X ${method.toUpperCase()} ${url} --json '{…}'`
  return method === 'get' ? `curl ${url}` : `curl -X ${method.toUpperCase()} ${url}`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
