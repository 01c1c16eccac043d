/** The user's login at a registry, where `docker login` keeps it: private mirrors ask for it. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { AuthConfig } from 'dockerode'
import { execa } from 'execa'
import * as z from 'zod'

const DOCKER_HUB = 'https://index.docker.io/v1/'

const configFile = z.object({
  auths: z
    .record(z.string(), z.object({ auth: z.string().optional(), identitytoken: z.string().optional() }))
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
})

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() })

/** Nothing where there is no login: most images need none. */
export async function credentialsFor(image: string, env: NodeJS.ProcessEnv): Promise<AuthConfig | undefined> {
  const directory = env.DOCKER_CONFIG ?? join(env.HOME ?? env.USERPROFILE ?? homedir(), '.docker')
  const config = read(join(directory, 'config.json'))
  if (!config) return undefined
  const registry = registryOf(image)
  const serveraddress = registry ?? DOCKER_HUB
  const helper = config.credHelpers?.[serveraddress] ?? config.credsStore
  if (helper !== undefined) return await askHelper(helper, serveraddress, env)
  const { auth, identitytoken } = config.auths?.[serveraddress] ?? config.auths?.[`https://${registry}`] ?? {}
  const [, username = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(auth ?? '', 'base64').toString()) ?? []
  if (identitytoken !== undefined) return { username, password: '', serveraddress, identitytoken } as AuthConfig
  return username === '' ? undefined : { username, password, serveraddress }
}

/** The registry that an image names; nothing for Docker Hub. */
export function registryOf(image: string): string | undefined {
  const [first = '', ...rest] = image.split('/')
  const isRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  return isRegistry && first !== 'docker.io' ? first : undefined
}

async function askHelper(
  helper: string,
  serveraddress: string,
  env: NodeJS.ProcessEnv,
): Promise<AuthConfig | undefined> {
  const options = { env, extendEnv: false, input: serveraddress, reject: false, timeout: 10_000 } as const
  const { stdout, failed } = await execa(`docker-credential-${helper}`, ['get'], options)
  if (failed) return undefined
  const answer = helperAnswer.safeParse(JSON.parse(stdout)).data
  if (!answer) return undefined
  if (answer.Username !== '<token>') return { username: answer.Username, password: answer.Secret, serveraddress }
  return { username: '', password: '', serveraddress, identitytoken: answer.Secret } as AuthConfig
}

/** Another tool's file: what we cannot read of it says nothing. */
function read(file: string): z.infer<typeof configFile> | undefined {
  try {
    return configFile.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data
  } catch {
    return undefined
  }
}
