/** The published package's own types are out of reach of modern resolution (hyper-api §9.8). */
declare module 'hyper-connect' {
  type Call = (...args: unknown[]) => Promise<Record<string, unknown>>
  type Service<Method extends string> = Record<Method, Call>

  export interface Hyper {
    data: Service<'create' | 'destroy' | 'add' | 'get' | 'update' | 'remove' | 'list' | 'query' | 'index' | 'bulk'>
    cache: Service<'create' | 'destroy' | 'add' | 'get' | 'set' | 'remove' | 'query'>
    storage: Service<'create' | 'destroy' | 'upload' | 'download' | 'remove' | 'signedUrl'>
    search: Service<'create' | 'destroy' | 'add' | 'get' | 'update' | 'remove' | 'query' | 'load'>
    queue: Service<'create' | 'destroy' | 'enqueue' | 'errors' | 'queued'>
    info: Service<'services'>
  }

  export function createHyperVerify(
    secret: string,
    ttl: string,
  ): (signature: string, payload: unknown) => { ok: boolean; status?: number; message?: string }

  export function connect(connectionString: string, domain?: string): Hyper
}
