/**
 * One hyper operation as data: where it lives, what it reads, what it calls. The gateway serves each at both URL structures
 * and the API description is generated from the same list.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type * as z from 'zod'
import { encode, type Stored } from '../json-text.ts'
import type { Page } from '../ports/common.ts'
import type { RawAnswer } from '../response.ts'
import type { Services } from '../services.ts'
import type { Signer } from '../signed-url.ts'

/** A request as an operation sees it. Path parameters are percent-decoded. */
export interface Call {
  /** The service's instance (hyper's domain): `:name` of the path, or what the cloud structure names (design §8.4). */
  domain: string
  /** The path's last parameter: the id of a document or job, a key, or an object's name with its slashes. */
  id: string
  /** `HEAD` where an operation is a `GET`. */
  method: string
  /** The path of the service itself ends with a slash, which hyper tolerates. */
  trailingSlash: boolean
  query: Record<string, unknown>
  headers: IncomingHttpHeaders
  body: unknown
  /** For operations with `uploads`, which read its body. */
  incoming: IncomingMessage
  /** Scheme and host as the client used them. */
  origin(): string
  signer: Signer
}

/** JSON text, whole or in pieces that are sent as they come; or anything else. */
export type Answer = string | AsyncIterable<string> | RawAnswer

export interface Operation<Service> {
  /** Stable name, also the operation's id in the API description. */
  name: string
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/:service/:domain`; `:id` for a document, key or job, `*` for an object. */
  path: '' | '/:id' | '/:id/_cancel' | '/:id/_retry' | '/*' | '/_query' | '/_index' | '/_bulk'
  summary: string
  /** Largest JSON body in bytes. Absent: the body is ignored (hyper-api §1.6). */
  bodyLimit?: number
  /** Bodies it takes as they are: JSON schemas by media type. */
  uploads?: Readonly<Record<string, object>>
  /** A success may be bytes of any type. */
  download?: true
  /** Schema of the port method behind, for the API description. */
  args: z.ZodType
  /** Which member of `args` is the whole JSON body; absent: the members that no path or query parameter gives. */
  bodyMember?: string
  /** Members of `args` that come as query parameters. */
  queryMembers?: readonly string[]
  success: 200 | 201
  /** What a success looks like, as an example. */
  example: unknown
  run(service: Service, call: Call): Promise<Answer>
}

/** The operations of one service, with the banner at its root. */
export interface ServiceRoutes<Name extends keyof Services> {
  service: Name
  banner(service: NonNullable<Services[Name]>): Promise<unknown>
  operations: readonly Operation<NonNullable<Services[Name]>>[]
}

export const MIB = 1024 * 1024

/** Raw by default; shaped when the client asks for anything but `true` (hyper-api §3.4). */
export function getAnswer(call: Call, stored: Stored<unknown>): string {
  const legacy = call.headers['x-hyper-legacy-get']
  const text = encode(stored)
  if (legacy === undefined || legacy === '' || String(legacy).trim() === 'true') return text
  return `{"ok":true,"doc":${text}}`
}

/** `{"ok":true,"<member>":[…]}`, streamed when it does not fit one page. */
export function listAnswer<T>(member: 'docs' | 'matches' | 'jobs', page: Page<T>): Answer {
  if (page.next === undefined) return `{"ok":true,"${member}":[${joined(page)}]}`
  return streamed(member, page)
}

async function* streamed<T>(member: string, first: Page<T>): AsyncIterable<string> {
  yield `{"ok":true,"${member}":[`
  let separator = ''
  for (let page: Page<T> | undefined = first; page; page = await page.next?.()) {
    if (page.items.length === 0) continue
    yield separator + joined(page)
    separator = ','
  }
  yield ']}'
}

function joined<T>(page: Page<T>): string {
  let text = ''
  for (const item of page.items) text += text === '' ? encode(item) : `,${encode(item)}`
  return text
}
