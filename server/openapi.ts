/** The API description (OpenAPI 3.1), generated from the operations and the ports' schemas. Made when first asked for. */
import * as z from 'zod'
import type { Operation } from './routes/operation.ts'
import type { ServiceName } from './services.ts'

type JsonSchema = Record<string, unknown> & { properties?: Record<string, JsonSchema>; required?: string[] }

/** By media type. */
type Content = Record<string, { schema: JsonSchema; example?: unknown }>

export interface DescribedOperation {
  operationId: string
  summary: string
  tags: string[]
  description?: string
  parameters: { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: JsonSchema }[]
  requestBody?: { required: boolean; content: Content }
  responses: Record<string, { description: string; content: Content }>
}

export interface ApiDescription {
  openapi: '3.1.0'
  info: { title: string; version: string; description: string }
  servers: { url: string }[]
  tags: { name: string }[]
  paths: Record<string, Record<string, DescribedOperation>>
  components: { schemas: Record<string, JsonSchema> }
}

interface DescribedService {
  service: ServiceName
  // biome-ignore lint/suspicious/noExplicitAny: only the description of an operation is read, never its service
  operations: readonly Operation<any>[]
}

const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['ok', 'status', 'msg'],
  properties: { ok: { const: false }, status: { type: 'integer' }, msg: { type: 'string' } },
}

export function describeApi(services: readonly DescribedService[], version: string): ApiDescription {
  const paths: ApiDescription['paths'] = {}
  for (const { service, operations } of services) {
    for (const operation of operations) {
      const path = `/${service}/{domain}${operation.path.replace(':id', '{id}').replace('*', '{object}')}`
      paths[path] ??= {}
      paths[path][operation.method.toLowerCase()] = describeOperation(service, operation)
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'hyper-sandbox',
      version,
      description:
        'The hyper HTTP API. Every path below is also served as /{app}/{service}/{name}…, where the name `default` means the domain {app} and any other name the domain {app}~{name}.',
    },
    servers: [{ url: '/' }],
    tags: services.map(({ service }) => ({ name: service })),
    paths,
    components: { schemas: { Error: ERROR_SCHEMA } },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function describeOperation(service: ServiceName, operation: Operation<any>): DescribedOperation {
  const args = z.toJSONSchema(operation.args, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  const members = { ...args.properties }
  const [idParameter, idMember] = pathParameter(operation.path, members)
  const domainMember = Object.keys(members)[0] ?? 'domain'
  const parameters: DescribedOperation['parameters'] = [
    { name: 'domain', in: 'path', required: true, schema: members[domainMember] ?? { type: 'string' } },
  ]
  delete members[domainMember]
  if (idParameter && idMember) {
    parameters.push({ name: idParameter, in: 'path', required: true, schema: members[idMember] ?? { type: 'string' } })
    delete members[idMember]
  }
  if ('ttlMs' in members) {
    members.ttl = { type: ['string', 'number'], description: 'A duration such as "1 day", or milliseconds.' }
    delete members.ttlMs
  }
  for (const name of operation.queryMembers ?? []) {
    parameters.push({ name, in: 'query', schema: members[name] ?? { type: 'string' } })
    delete members[name]
  }
  const described: DescribedOperation = {
    operationId: operation.name,
    summary: operation.summary,
    tags: [service],
    parameters,
    responses: {
      [operation.success]: {
        description: 'Done',
        content: {
          'application/json': { schema: {}, example: operation.example },
          ...(operation.download ? { '*/*': { schema: { type: 'string', format: 'binary' } } } : {}),
        },
      },
      default: {
        description: 'Refused or failed',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  }
  if (operation.bodyLimit !== undefined) {
    const schema: JsonSchema = operation.bodyMember
      ? (members[operation.bodyMember] ?? {})
      : { type: 'object', properties: members, required: (args.required ?? []).filter((name) => name in members) }
    described.requestBody = { required: true, content: { 'application/json': { schema } } }
  } else if (operation.uploads) {
    const content = Object.entries(operation.uploads).map(([type, schema]) => [type, { schema: schema as JsonSchema }])
    described.requestBody = { required: false, content: Object.fromEntries(content) as Content }
  }
  return described
}

/** The path's last parameter and the member of the arguments that it gives, if there is one. */
function pathParameter(path: Operation<never>['path'], members: Record<string, unknown>): [string?, string?] {
  if (path === '/*') return ['object', 'object']
  return path.startsWith('/:id') ? ['id', 'id' in members ? 'id' : 'key'] : []
}
