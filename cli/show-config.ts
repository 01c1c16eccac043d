import { stringify } from 'yaml'
import type { Context } from './command.ts'
import { resolveConfig } from './config.ts'
import { projectFileSchema } from './project-file.ts'
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
  const { name, projectDirectory, stateDirectory, domain, services, listen, credentials, logRequests } = resolved.config
  const shown = {
    name,
    projectDirectory,
    projectFile: resolved.project.file ?? null,
    stateDirectory,
    engine: resolved.engine,
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
    ephemeral: resolved.ephemeral,
    create: resolved.create,
    uncreated: resolved.uncreated,
    purge: resolved.purge,
  }
  output.answer(shown, stringify(shown))
  return 0
}

/** The queue's secret is nobody's business here. */
function withoutSecrets({ queue, ...services }: ServiceConfigs): object {
  if (!queue) return services
  return { ...services, queue: queue.secret === undefined ? queue : { ...queue, secret: '(set)' } }
}
