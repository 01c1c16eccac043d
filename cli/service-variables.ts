/** The environment's word on services: `HYPER_SANDBOX_DATA_URL` is `services.data.url` of the project file, and so on. */
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { SERVICE_NAMES, type ServiceName } from '../server/services.ts'
import { variableOf } from './flags.ts'
import { type ProjectFile, projectFile } from './project-file.ts'

type ServicesFile = NonNullable<ProjectFile['services']>

/** What the project file says of the services, with the environment's word over it. @throws CONFIG_INVALID */
export function servicesOf(file: ProjectFile, env: NodeJS.ProcessEnv): ServicesFile {
  const services: Record<string, unknown> = { ...file.services }
  for (const kind of SERVICE_NAMES) {
    const schema = objectIn(projectFile.shape.services.unwrap().shape[kind])
    for (const [member, memberSchema] of Object.entries(schema.shape)) {
      const variable = serviceVariable(kind, member)
      const text = env[variable]
      if (text === undefined || text === '') continue
      const parsed = memberSchema.safeParse(read(text, memberSchema))
      if (!parsed.success) {
        const shown = isSecret(member, text) ? '' : `, not '${text}'`
        throw new HyperError('CONFIG_INVALID', `${variable} ${parsed.error.issues[0]?.message}${shown}`, {
          hint: `Change or unset ${variable}.`,
        })
      }
      const said = services[kind]
      if (said !== false) services[kind] = { ...(typeof said === 'object' ? said : {}), [member]: parsed.data }
    }
  }
  return services as ServicesFile
}

/** Every variable that `servicesOf` reads. */
export function serviceVariables(): string[] {
  return SERVICE_NAMES.flatMap((kind) =>
    Object.keys(objectIn(projectFile.shape.services.unwrap().shape[kind]).shape).map((member) =>
      serviceVariable(kind, member),
    ),
  )
}

/** `queue`, `timeout_ms`: `HYPER_SANDBOX_QUEUE_TIMEOUT_MS`. */
export function serviceVariable(kind: ServiceName, member: string): string {
  return variableOf(`${kind}-${member.replace(/[A-Z]/g, (letter) => `-${letter}`)}`)
}

function isSecret(member: string, text: string): boolean {
  return /^(key|secret|secretKey)$/.test(member) || text.includes('@')
}

/** Lists are written with commas. */
function read(text: string, schema: z.core.$ZodType): unknown {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema
  if (inner instanceof z.ZodArray) return text.split(',')
  return inner instanceof z.ZodNumber ? Number(text) : text
}

function objectIn(schema: z.ZodOptional<z.ZodUnion>): z.ZodObject {
  return schema.unwrap().options.find((option) => option instanceof z.ZodObject) as z.ZodObject
}
