/** Query strings in the nested syntax (hyper-api §1.5): repeated members are arrays, `a[]=b` too, `a[b]=c` is an object. */
import { type ParsedUrlQuery, parse } from 'node:querystring'

/** No parameter of hyper's is nested, so what a nested one holds is not looked into: it only has the wrong type. */
export function parseQuery(text: string): Record<string, unknown> {
  if (text === '') return {}
  const flat = parse(text)
  return Object.keys(flat).some((name) => name.includes('[')) ? nested(flat) : flat
}

function nested(flat: ParsedUrlQuery): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(flat)) {
    const bracket = name.indexOf('[')
    if (bracket <= 0) query[name] = value
    else
      query[name.slice(0, bracket)] = /^\[\d*\]/.test(name.slice(bracket)) ? [value] : { [name.slice(bracket)]: value }
  }
  return query
}
