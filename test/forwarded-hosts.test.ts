import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardedHosts } from '../cli/forwarded-hosts.ts'
import { createHostRules } from '../server/host-rules.ts'

test('a Codespace’s and a Gitpod workspace’s forwarded names are served, their neighbours’ are not', () => {
  const env = {
    CODESPACE_NAME: 'fuzzy-spoon',
    GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN: 'app.github.dev',
    GITPOD_WORKSPACE_URL: 'https://blue-fox.ws-eu.gitpod.io',
  }
  const hosts = forwardedHosts(env, 6363)
  assert.deepEqual(hosts, ['fuzzy-spoon-6363.app.github.dev', '6363-blue-fox.ws-eu.gitpod.io'])
  const rules = createHostRules(hosts, [])
  assert.ok(rules.allowsHost('fuzzy-spoon-6363.app.github.dev'))
  assert.ok(rules.allowsOrigin('https://fuzzy-spoon-6363.app.github.dev', '127.0.0.1:6363'))
  assert.ok(!rules.allowsHost('other-6363.app.github.dev'))
  assert.ok(!rules.allowsHost('fuzzy-spoon-6363.app.github.dev.evil.example'))
})

test('elsewhere, and before the TCP port is known, there are none', () => {
  assert.deepEqual(forwardedHosts({}, 6363), [])
  assert.deepEqual(forwardedHosts({ GITPOD_WORKSPACE_URL: 'https://blue-fox.ws-eu.gitpod.io' }, 0), [])
  assert.deepEqual(forwardedHosts({ GITPOD_WORKSPACE_URL: 'not a url' }, 6363), [])
})
