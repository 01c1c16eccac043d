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

const SERVICES = ['data', 'cache', 'storage', 'search', 'queue'] as const

type Service = (typeof SERVICES)[number]

/** What a search case's index is made with. */
export const MAPPINGS = { fields: ['title', 'text', 'tags'], storeFields: ['title', 'year'] }

/** A queue's target that never answers: nothing listens there. */
export const NOBODY = 'http://127.0.0.1:9/'

const SETTINGS: Partial<Record<Service, object>> = { search: MAPPINGS, queue: { target: NOBODY } }

type Call = (method: string, rest?: string, sending?: Sending) => Promise<Reply>

/** One domain's services; those a case asks for are new and empty, and gone after it. */
export interface Domain {
  origin: string
  structure: Structure
  /** Absolute URLs of the services, without a slash at the end. */
  data: string
  cache: string
  storage: string
  search: string
  queue: string
  /** `send` with what is appended to the service's URL. */
  onData: Call
  onCache: Call
  onStorage: Call
  onSearch: Call
  onQueue: Call
  /** Stores documents, each with an `_id`. */
  fill(docs: readonly object[]): Promise<void>
}

export interface Site {
  origin: string
  /** A name no service has yet; what is made under it, on any service, is removed after the case. */
  fresh(): string
  send(method: string, path: string, sending?: Sending): Promise<Reply>
}

/** A rule about data and cache: `run` gets a domain with both made. */
export const inDomain = withMade(['data', 'cache'])
export const inBucket = withMade(['storage'])
/** The index has MAPPINGS. */
export const inIndex = withMade(['search'])
/** The queue's target is NOBODY. */
export const inQueue = withMade(['queue'])
export const inWholeDomain = withMade(SERVICES)

function withMade(services: readonly Service[]) {
  return (name: string, run: (domain: Domain) => Promise<void>): AcceptanceCase[] =>
    inEmptyDomain(name, async (domain) => {
      for (const service of services) {
        const settings = SETTINGS[service]
        const reply = await send('PUT', domain[service], settings && { json: settings })
        if (reply.status !== 201) throw new Error(`PUT ${domain[service]} answered ${reply.status}: ${reply.text}`)
      }
      await run(domain)
    })
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
  const at = (service: Service) =>
    structure === 'oss' ? `${origin}/${service}/${name}` : `${origin}/${name}/${service}/shelf`
  const on =
    (service: Service): Call =>
    (method, rest = '', sending) =>
      send(method, at(service) + rest, sending)
  return {
    origin,
    structure,
    data: at('data'),
    cache: at('cache'),
    storage: at('storage'),
    search: at('search'),
    queue: at('queue'),
    onData: on('data'),
    onCache: on('cache'),
    onStorage: on('storage'),
    onSearch: on('search'),
    onQueue: on('queue'),
    fill: async (docs) => {
      const reply = await send('POST', `${at('data')}/_bulk`, { json: docs })
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
      for (const service of SERVICES) {
        await send('DELETE', `${origin}/${service}/${name}`)
        await send('DELETE', `${origin}/${service}/${name}~shelf`)
      }
    }
  }
}
