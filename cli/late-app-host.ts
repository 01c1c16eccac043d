/** A host of apps that is opened when the first app comes: a sandbox without apps pays for none. */
import type { AppHost } from '../server/ports/apps.ts'

export function lateAppHost(open: () => Promise<AppHost>): AppHost {
  let opening: Promise<AppHost> | undefined
  let host: AppHost | undefined
  const drained = Promise.resolve([])

  async function opened(): Promise<AppHost> {
    opening ??= open()
    host = await opening
    return host
  }

  const late: AppHost = {
    async apply(apps, options) {
      if (!opening && apps.length === 0)
        return { added: [], removed: [], changed: [], unchanged: [], failed: [], drained }
      return await (await opened()).apply(apps, options)
    },
    status: () => host?.status() ?? [],
    has: (name) => host?.has(name) ?? false,
    find: (name) => host?.find(name),
    handle: (...exchange) => host?.handle(...exchange),
    upgrade: (...exchange) => host?.upgrade(...exchange),
    schedule: async (...event) => await (await opened()).schedule(...event),
    async close(drainMs) {
      await (await opening)?.close(drainMs)
    },
    async [Symbol.asyncDispose]() {
      await late.close()
    },
  }
  return late
}
