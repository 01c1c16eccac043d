/** The environment's word on services: `HYPER_SANDBOX_DATA_URL` is `services.data.url` of the project file, and so on. */
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { SERVICE_NAMES } from '../server/services.ts'
import { variableOf } from './flags.ts'
import { type ProjectFile, projectFile } from './project-file.ts'

type ServicesFile = NonNullable<ProjectFile['services']>

/** What the project file says of the services, with the environment's word over it. @throws CONFIG_INVALID */
export function servicesOf(file: ProjectFile, env: NodeJS.ProcessEnv): ServicesFile {
  const services: Record<string, unknown> = { ...file.services }
  for (const kind of SERVICE_NAMES) {
    const schema = objectIn(projectFile.shape.services.unwrap().shape[kind])
    for (const [member, memberSchema] of Object.entries(schema.shape)) {
      const variable = variableOf(`${kind}-${member.replace(/[A-Z]/g, (letter) => `-${letter}`)}`)
      const text = env[variable]
      if (text === undefined || text === '') continue
      const parsed = memberSchema.safeParse(read(text, memberSchema))
      if (!parsed.success) {
        throw new HyperError('CONFIG_INVALID', `${variable} ${parsed.error.issues[0]?.message}, not '${text}'`, {
          hint: `Change or unset ${variable}.`,
        })
      }
      const said = services[kind]
      if (said !== false) services[kind] = { ...(typeof said === 'object' ? said : {}), [member]: parsed.data }
    }
  }
  return services as ServicesFile
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
