/**
 * An acceptance case: one rule of the contract, proved over HTTP alone against whatever listens at an address. A service
 * case is written once and becomes two, one per URL structure (design §8).
 */
import { randomBytes } from 'node:crypto'
import { type Reply, type Sending, send } from './http.ts'

export interface AcceptanceCase {
  /** `<where the rule stands>: <what it says>` */
  name: string
  structure?: Structure
  run(origin: string): Promise<void>
}

export type Structure = 'oss' | 'cloud'

/** One domain's two services, new and empty, gone after the case. */
export interface Domain {
  origin: string
  structure: Structure
  /** Absolute URLs of the services, without a slash at the end. */
  data: string
  cache: string
  /** `send` with what is appended to the data service's URL. */
  onData(method: string, rest?: string, sending?: Sending): Promise<Reply>
  onCache(method: string, rest?: string, sending?: Sending): Promise<Reply>
  /** Stores documents, each with an `_id`. */
  fill(docs: readonly object[]): Promise<void>
}

export interface Site {
  origin: string
  /** A name no service has yet; what is made under it, on either service, is removed after the case. */
  fresh(): string
  send(method: string, path: string, sending?: Sending): Promise<Reply>
}

/** A rule about services: `run` gets a domain with data and cache made. */
export function inDomain(name: string, run: (domain: Domain) => Promise<void>): AcceptanceCase[] {
  return (['oss', 'cloud'] as const).map((structure) => ({
    name,
    structure,
    run: (origin) =>
      withCleaning(origin, async (fresh) => {
        const domain = domainAt(origin, structure, fresh())
        for (const service of [domain.data, domain.cache]) await made(service)
        await run(domain)
      }),
  }))
}

/** A rule about a domain in which nothing was made. */
export function inEmptyDomain(name: string, run: (domain: Domain) => Promise<void>): AcceptanceCase[] {
  return (['oss', 'cloud'] as const).map((structure) => ({
    name,
    structure,
    run: (origin) => withCleaning(origin, (fresh) => run(domainAt(origin, structure, fresh()))),
  }))
}

/** A rule about the gateway. */
export function onSite(name: string, run: (site: Site) => Promise<void>): AcceptanceCase[] {
  return [
    {
      name,
      run: (origin) =>
        withCleaning(origin, (fresh) =>
          run({ origin, fresh, send: (method, path, sending) => send(method, `${origin}${path}`, sending) }),
        ),
    },
  ]
}

/** In the cloud structure the domain is one named service of an app, which hyper's own structure calls `app~name`. */
function domainAt(origin: string, structure: Structure, name: string): Domain {
  const at = (service: string) =>
    structure === 'oss' ? `${origin}/${service}/${name}` : `${origin}/${name}/${service}/shelf`
  const data = at('data')
  return {
    origin,
    structure,
    data,
    cache: at('cache'),
    onData: (method, rest = '', sending) => send(method, `${data}${rest}`, sending),
    onCache: (method, rest = '', sending) => send(method, `${at('cache')}${rest}`, sending),
    fill: async (docs) => {
      const reply = await send('POST', `${data}/_bulk`, { json: docs })
      if (reply.status !== 201) throw new Error(`_bulk answered ${reply.status}: ${reply.text}`)
    },
  }
}

async function withCleaning(origin: string, run: (fresh: () => string) => Promise<void>): Promise<void> {
  const names: string[] = []
  const fresh = () => {
    const name = `t${randomBytes(6).toString('hex')}`
    names.push(name)
    return name
  }
  try {
    await run(fresh)
  } finally {
    for (const name of names) {
      for (const service of ['data', 'cache']) {
        await send('DELETE', `${origin}/${service}/${name}`)
        await send('DELETE', `${origin}/${service}/${name}~shelf`)
      }
    }
  }
}

async function made(service: string): Promise<void> {
  const reply = await send('PUT', service)
  if (reply.status !== 201) throw new Error(`PUT ${service} answered ${reply.status}: ${reply.text}`)
}
