/** The shape of the project file `hyper-sandbox.yaml` and of the `.local.yaml` beside it. */
import * as z from 'zod'
import { PARTS, type Part } from '../compose/stack.ts'
import { appEntry } from '../server/ports/app-entry.ts'
import type { ServiceName } from '../server/services.ts'
import { SCHEMES } from './service-config.ts'

export const engineName = z.enum(['auto', 'embedded', 'compose'], 'must be auto, embedded or compose')

/** Valid for all five services, so that one domain can name an instance of each (hyper-api §2.4). */
export const domainName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9~_-]*$/, 'must be lowercase letters, digits, - ~ _ and start with a letter or digit')
export const sandboxName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'must be lowercase letters, digits, - _ and start with a letter or digit')
export const tcpPort = z
  .int('must be a number from 0 to 65535')
  .min(0, 'must be a number from 0 to 65535')
  .max(65535, 'must be a number from 0 to 65535')

const adapter = z
  .string()
  .min(1, 'must not be empty')
  .optional()
  .describe('Module to use instead of ours: a path beginning with ./, or the name of a package.')
const text = z.string().min(1, 'must not be empty').optional()

/** How a server is named that exists already. */
function server(kind: ServiceName) {
  const schemes = SCHEMES[kind]
  const spelled = schemes.map((scheme) => `${scheme}//`).join(' or ')
  return {
    adapter,
    url: z
      .string()
      // Several hosts with commas between them are none to URL.canParse.
      .refine((url) => schemes.some((scheme) => url.startsWith(`${scheme}//`)), `must begin with ${spelled}`)
      .refine((url) => /^[^/]+\/\/[^\s/?#]+[^\s]*$/.test(url), 'must name a host and hold no spaces')
      .optional()
      .describe('Server to use instead of one of our own.'),
  }
}
const service = (kind: ServiceName) => z.union([z.boolean(), z.strictObject(server(kind))])
const storage = z.union([
  z.boolean(),
  z.strictObject({
    ...server('storage'),
    key: text.describe('Access key of that server.'),
    secretKey: text.describe('Secret key of that server. Better kept in the .local.yaml, or in a variable.'),
  }),
])

const fieldNames = z.array(z.string().min(1, 'must not be empty'))
const positive = (most: number) =>
  z
    .int(`must be a whole number from 1 to ${most}`)
    .min(1, `must be a whole number from 1 to ${most}`)
    .max(most, `must be a whole number from 1 to ${most}`)
const search = z.union([
  z.boolean(),
  z.strictObject({
    ...server('search'),
    key: text.describe('Key of that server. Better kept in the .local.yaml, or in a variable.'),
    fields: fieldNames.optional().describe('Members that are searched, for the index that --search creates.'),
    storeFields: fieldNames.optional().describe('Members that come back with a match.'),
  }),
])
const queue = z.union([
  z.boolean(),
  z.strictObject({
    ...server('queue'),
    target: z
      .url({ protocol: /^https?$/, error: 'must be an http or https address' })
      .optional()
      .describe('Where jobs are sent, for the queue that --queue creates.'),
    secret: z.string().max(100, 'must have at most 100 characters').optional().describe('What jobs are signed with.'),
    concurrency: positive(1000).optional().describe('How many jobs of one queue are sent at the same time.'),
    attempts: positive(100).optional().describe('How often a job is sent before it counts as failed.'),
    timeout_ms: positive(86_400_000).optional().describe('How long the target may take to answer.'),
  }),
])

const image = z.string().min(1, 'must not be empty')
const imageOrList = z.union([image, z.array(image).min(1, 'must name an image')]).optional()
/** Apps run in the gateway's. */
const IMAGED = PARTS.filter((part) => part !== 'workers')
const images = Object.fromEntries(IMAGED.map((part) => [part, imageOrList])) as Record<
  Exclude<Part, 'workers'>,
  typeof imageOrList
>

/** A wrangler file may name it, or its path does. */
const namelessApp = appEntry.partial({ name: true })

export const projectFile = z.strictObject({
  name: sandboxName.optional().describe('Name of the sandbox. Default: directory name and a hash of its path.'),
  domain: domainName.optional().describe('Domain that service flags create and purge empties. Default: test.'),
  engine: engineName.optional().describe('What the services run on. Default: auto.'),
  listen: z
    .strictObject({
      host: z.string().min(1, 'must not be empty').optional().describe('Address to listen on. Default: 127.0.0.1.'),
      port: tcpPort.optional().describe('TCP port; 0 takes a free one, remembered. Default: 6363.'),
      tls: z
        .union([
          z.literal('auto'),
          z.strictObject({
            cert: z.string().min(1, 'must not be empty').describe('PEM file of the certificate, with its chain.'),
            key: z.string().min(1, 'must not be empty').describe('PEM file of its private key.'),
          }),
        ])
        .optional()
        .describe(
          "HTTPS too, on the TCP port after the other: auto takes a certificate of this user's own authority. Default: none.",
        ),
      allowed_hosts: z
        .array(z.string().min(1, 'must not be empty'))
        .optional()
        .describe('Host names answered besides local ones.'),
      allowed_origins: z
        .array(z.string().min(1, 'must not be empty'))
        .optional()
        .describe('Browser origins allowed besides local ones.'),
    })
    .optional(),
  services: z
    .strictObject({
      data: service('data').optional(),
      cache: service('cache').optional(),
      storage: storage.optional(),
      search: search.optional(),
      queue: queue.optional(),
    })
    .optional()
    .describe('false leaves a service out. Default: all run.'),
  apps: z.array(namelessApp).optional().describe('Workers-style apps, each on its own host.'),
  images: z
    .strictObject(images)
    .optional()
    .describe('Images of the compose engine instead of ours: one for a part, or a list that is tried in order.'),
  mirror: image
    .optional()
    .describe('Registry that stands before every image of ours, with a path if it has one: mirror.example/hub.'),
  include: z
    .array(z.string().min(1, 'must not be empty'))
    .optional()
    .describe(
      'Compose files of your own, started and stopped with the compose engine; from the directory of this file.',
    ),
  auth: z
    .strictObject({
      key: z.string().min(1, 'must not be empty').optional(),
      secret: z.string().min(1, 'must not be empty').optional().describe('Better kept in the .local.yaml.'),
    })
    .optional()
    .describe(
      "hyper's API asks for the tokens of these credentials: cloud://key:secret@host. Default: it asks for none.",
    ),
  log_requests: z.boolean().optional().describe('Log every request, not only failed and slow ones.'),
})

export type ProjectFile = z.infer<typeof projectFile>

/** JSON Schema of the project file, for editors. */
export function projectFileSchema(): object {
  return { title: 'hyper-sandbox.yaml', ...z.toJSONSchema(projectFile) }
}
