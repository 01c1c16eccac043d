import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const env: Command = {
  name: 'env',
  summary: 'print what an app needs to connect, as dotenv lines',
  flags: [CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['env > .env', 'For hyper-connect: connect(process.env.HYPER).'],
    ['env --json', 'The same as JSON.'],
  ],
  async run(context: Context) {
    const { flags, output, cwd } = context
    const { findProject } = await import('../project.ts')
    const { requireRunning } = await import('../running.ts')
    const { readSecrets } = await import('../state.ts')
    const { cloudConnectionString, connectionString } = await import('../connection-string.ts')
    const project = findProject(cwd, flags.text('config'))
    const run = await requireRunning(project, context.env)
    const credentials = readSecrets(project.stateDirectory)?.credentials
    const variables = {
      HYPER: connectionString(run.url, run.domain, credentials),
      HYPER_URL: run.url,
      HYPER_DOMAIN: run.domain,
      ...(run.https ? { HYPER_CLOUD: cloudConnectionString(run.https.url, run.domain, credentials) } : {}),
      ...(run.https?.authorityFile ? { NODE_EXTRA_CA_CERTS: run.https.authorityFile } : {}),
    }
    output.answer(
      variables,
      Object.entries(variables)
        .map(([name, value]) => `${name}=${value}`)
        .join('\n'),
    )
    return 0
  },
}
