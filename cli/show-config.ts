import { stringify } from 'yaml'
import { imagedParts } from '../compose/generate.ts'
import { readImageLock } from '../compose/image-lock.ts'
import { imageCandidates } from '../compose/image-names.ts'
import type { ServiceName } from '../server/services.ts'
import type { Context } from './command.ts'
import { type Resolved, resolveConfig } from './config.ts'
import { plannedEngine } from './engines/choose.ts'
import { exportedConfigOf } from './engines/stack-config.ts'
import { projectFileSchema } from './project-file.ts'
import { serverHosts } from './server-host.ts'
import type { ServiceConfigs } from './service-config.ts'
import { MASK } from './summary.ts'

/** What `up` would run; or, asked so, what a project file may say. */
export async function showConfig({ flags, output, env, cwd }: Context): Promise<number> {
  if (flags.has('schema')) {
    const schema = projectFileSchema()
    output.answer(schema, JSON.stringify(schema, undefined, 2))
    return 0
  }
  const resolved = await resolveConfig({ flags, env, cwd })
  const engine = await plannedEngine(resolved, env)
  const { name, projectDirectory, stateDirectory, domain, services, listen, credentials, logRequests } = resolved.config
  const shown = {
    name,
    projectDirectory,
    projectFile: resolved.project.file ?? null,
    stateDirectory,
    engine,
    domain,
    services: withoutSecrets(services),
    listen: {
      host: listen.host,
      port: listen.tcpPort,
      tls: listen.tls ? { certificate: listen.tls.certificate, port: listen.tls.tcpPort } : null,
      allowed_hosts: listen.allowedHosts,
      allowed_origins: listen.allowedOrigins,
    },
    auth: credentials ? { key: credentials.key, secret: MASK } : null,
    log_requests: logRequests,
    ...(engine === 'compose' ? stackSettings(resolved) : {}),
    ephemeral: resolved.ephemeral,
    create: resolved.create,
    uncreated: resolved.uncreated,
    purge: resolved.purge,
  }
  output.answer(shown, stringify(shown))
  return 0
}

/** Each part's image: the one that was chosen once, else those that would be tried in order. */
function stackSettings(resolved: Resolved): object {
  const { include, expose } = resolved.stack
  const config = exportedConfigOf(resolved)
  const { images: locked } = readImageLock(config.stateDirectory)
  const images = imagedParts(config).map((part) => [part, locked[part]?.reference ?? imageCandidates(part, config)])
  return { stack: config.name, images: Object.fromEntries(images), include, expose }
}

/** Whose credentials a server asks for is nobody's business here, nor what jobs are signed with. */
function withoutSecrets(services: ServiceConfigs): object {
  const { servers = {} } = serverHosts(services)
  const shown = Object.entries(services).map(([kind, config]) => {
    const members = Object.entries(config).map(([name, value]) => {
      if (name === 'url') return [name, servers[kind as ServiceName]]
      return [name, SECRET_MEMBERS.includes(name) && value !== undefined ? '(set)' : value]
    })
    return [kind, Object.fromEntries(members)]
  })
  return Object.fromEntries(shown)
}

const SECRET_MEMBERS = ['key', 'secretKey', 'secret']
