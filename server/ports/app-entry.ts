/** An app as it is written down, in the project file and in the admin API, and what it means (worker-runtime §2.1). */
import { resolve } from 'node:path'
import * as z from 'zod'
import type { AppConfig, Compat, Outbound } from './apps.ts'
import { cachePort } from './cache.ts'
import { hostPatternOf } from './hostnames.ts'
import { storagePort } from './storage.ts'

/** The last day on which apps get no Node globals unless they ask (worker-runtime §12.2). */
export const DEFAULT_COMPATIBILITY_DATE = '2026-08-03'
const DEFAULT_TIMEOUT_MS = 5_000
const DEFAULT_MEMORY_MB = 128
const DEFAULT_BODY_MB = 100
const DEFAULT_CONCURRENT = 100
/** NANO waits for so long at least (worker-runtime §4.4). */
const MIN_WALL_MS = 10_000

const whole = (least: number, most: number) =>
  z
    .int(`must be a whole number from ${least} to ${most}`)
    .min(least, `must be a whole number from ${least} to ${most}`)
    .max(most, `must be a whole number from ${least} to ${most}`)

const hostname = z
  .string()
  .refine((text) => hostPatternOf(text) !== undefined, 'must be the name of a host, such as api.localhost')
/** workerd reads UTF-8, which half a character has none of. */
const wellFormed = z.string().refine((text) => text.isWellFormed(), 'must be well-formed Unicode')
const bindingName = z.string().regex(/^[A-Za-z_$][\w$]*$/, 'must be the name of a variable')

const storeName = z
  .string()
  .refine(
    (name) => cachePort.createStore.args.safeParse({ store: name }).success,
    'must be the name of a cache store: a-z, 0-9, - ~ _',
  )
const bucketName = z
  .string()
  .refine(
    (name) => storagePort.makeBucket.args.safeParse({ bucket: name }).success,
    'must be the name of a storage bucket',
  )

export const appName = z
  .string()
  .regex(/^[\w.*-]+$/, 'must be letters, digits, . _ -')
  .max(200, 'must have at most 200 characters')

export const appEntry = z.strictObject({
  name: appName.describe('Name of the app, in messages, metrics and env.APPS.'),
  hostname: z
    .union([hostname, z.array(hostname).min(1, 'must name a host')])
    .optional()
    .describe(
      'Host names it answers; *.example.com for all below. Default: the name, with .localhost if it has no dot.',
    ),
  path: z
    .string()
    .min(1, 'must not be empty')
    .describe('Its directory, or its entry file; from the directory of this file.'),
  env: z
    .record(wellFormed, z.union([wellFormed, z.number(), z.boolean()], 'must be text, a number, true or false'))
    .optional()
    .describe('Text bindings: env.NAME.'),
  timeout_ms: whole(1, 3_600_000).optional().describe('How long it may hold its thread (408). Default: 5000.'),
  wall_ms: whole(1, 3_600_000).optional().describe('How long a response may take to begin (500). Default: 10000.'),
  memory_mb: whole(8, 65_536).optional().describe('Limit of its heap. Default: 128.'),
  max_body_mb: whole(1, 1_000_000).optional().describe('Limit of a request body (413). Default: 100.'),
  max_concurrent: whole(1, 10_000).optional().describe('Requests that are answered at once. Default: 100.'),
  max_response_mb: whole(1, 1_000_000).optional().describe('Limit of a response body. Default: none.'),
  replicas: whole(1, 64).optional().describe('How many processes it has. Default: 1.'),
  lazy: z.boolean().optional().describe('Whether it is started by its first request. Default: false.'),
  idle_ms: whole(100, 86_400_000)
    .optional()
    .describe('Stops it when nothing was asked of it for so long, until the next request. Default: never.'),
  outbound: z
    .union([z.enum(['public', 'all', 'none']), z.array(hostname)])
    .optional()
    .describe('What it may call: public addresses (default), private ones too, none, or these hosts alone.'),
  expose_errors: z
    .boolean()
    .optional()
    .describe('Whether answers say what an uncaught error said. Default: true, as NANO does.'),
  compat: z
    .array(z.enum(['sync-body', 'stateful']))
    .optional()
    .describe(
      'Concessions to code that was written for NANO: sync-body gives what request.json() and request.text() read without await; stateful lets timers, random values, responses and sockets live outside a request, at less than half the speed.',
    ),
  compatibility_date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a date such as 2026-07-01')
    .optional()
    .describe(`As Workers have it. Default: ${DEFAULT_COMPATIBILITY_DATE}.`),
  compatibility_flags: z.array(z.string()).optional().describe('As Workers have them, such as nodejs_compat.'),
  crons: z
    .array(z.string())
    .optional()
    .describe('When its scheduled handler runs, such as */5 * * * *; in UTC, and SUN is 1.'),
  kv: z.record(bindingName, storeName).optional().describe('Bindings whose values a cache store keeps, by its name.'),
  r2: z
    .record(bindingName, bucketName)
    .optional()
    .describe('Bindings whose objects a storage bucket keeps, by its name.'),
  assets: z.string().optional().describe('Directory of files that are served as they are.'),
})

export type AppEntry = z.infer<typeof appEntry>

/** @param directory what relative paths are taken from */
export function appConfigOf(entry: AppEntry, directory: string): AppConfig {
  const timeoutMs = entry.timeout_ms ?? DEFAULT_TIMEOUT_MS
  const given = entry.hostname ?? defaultHostname(entry.name)
  const hostnames = (Array.isArray(given) ? given : [given]).map((text) => hostPatternOf(text) ?? text)
  return {
    name: entry.name,
    hostnames,
    path: resolve(directory, entry.path),
    env: Object.fromEntries(Object.entries(entry.env ?? {}).map(([name, value]) => [name, String(value)])),
    timeoutMs,
    wallMs: entry.wall_ms ?? Math.max(MIN_WALL_MS, timeoutMs),
    memoryMb: entry.memory_mb ?? DEFAULT_MEMORY_MB,
    maxBodyMb: entry.max_body_mb ?? DEFAULT_BODY_MB,
    maxConcurrent: entry.max_concurrent ?? DEFAULT_CONCURRENT,
    maxResponseMb: entry.max_response_mb,
    replicas: entry.replicas ?? 1,
    lazy: entry.lazy ?? false,
    idleMs: entry.idle_ms,
    outbound: outboundOf(entry.outbound),
    exposeErrors: entry.expose_errors ?? true,
    compat: (entry.compat ?? []) as Compat[],
    compatibilityDate: entry.compatibility_date ?? DEFAULT_COMPATIBILITY_DATE,
    compatibilityFlags: entry.compatibility_flags ?? [],
    json: {},
    crons: entry.crons ?? [],
    kv: entry.kv ?? {},
    r2: entry.r2 ?? {},
    assets: entry.assets === undefined ? undefined : resolve(directory, entry.assets),
  }
}

function outboundOf(given: AppEntry['outbound'] = 'public'): Outbound {
  return typeof given === 'string' ? given : given.map((host) => hostPatternOf(host) ?? host)
}

function defaultHostname(name: string): string {
  return name.includes('.') ? name : `${name}.localhost`
}

/** @returns the first name that two apps claim */
export function sharedHostname(apps: readonly AppConfig[]): { hostname: string; names: [string, string] } | undefined {
  const owners = new Map<string, string>()
  for (const { name, hostnames } of apps) {
    for (const hostname of hostnames) {
      const owner = owners.get(hostname)
      if (owner !== undefined) return { hostname, names: [owner, name] }
      owners.set(hostname, name)
    }
  }
  return undefined
}
