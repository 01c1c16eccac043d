/** The names under which a hosted workspace forwards this machine's TCP ports, from what it tells its processes. */

/** @returns hosts that reach `tcpPort` from a browser; none outside such a workspace, or for a port not yet known */
export function forwardedHosts(env: NodeJS.ProcessEnv, tcpPort: number): string[] {
  if (tcpPort === 0) return []
  const hosts: string[] = []
  const { CODESPACE_NAME: codespace, GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN: domain } = env
  if (codespace && domain) hosts.push(`${codespace}-${tcpPort}.${domain}`)
  const workspace = env.GITPOD_WORKSPACE_URL
  if (workspace && URL.canParse(workspace)) hosts.push(`${tcpPort}-${new URL(workspace).host}`)
  return hosts
}
