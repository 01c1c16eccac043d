/** Credentials of the project file and the environment, through the command line. */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { connect } from 'hyper-connect'
import { TestProject, test } from './helpers/cli.ts'

const SECRET = 's/cret of the shop'
const ENCODED = encodeURIComponent(SECRET)
const FILE = `auth: { key: shop, secret: "${SECRET}" }\n`

test('up asks for what the project file says; env prints what connects, and nothing else shows the secret', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', FILE)
  const said = await project.run(['up', '--detach', '--port', '0', '--data'])
  assert.equal(said.code, 0, said.stderr)
  const { url } = project.state()
  const refused = await fetch(`${url}/data/test`)
  assert.deepEqual([refused.status, await refused.text()], [401, '{"ok":false,"status":401,"msg":"not authorized"}'])

  const { HYPER } = (await project.json(['env'])).data as { HYPER: string }
  assert.equal(HYPER, `${url.replace('//', `//shop:${ENCODED}@`)}/test`)
  assert.deepEqual(await connect(HYPER).data.add({ _id: 'a' }), { ok: true, id: 'a' })

  const commands = [['status'], ['list'], ['config'], ['logs'], ['up'], ['purge', '--yes'], ['wait']]
  for (const command of commands) {
    for (const form of [[], ['--json']]) {
      if (command[0] === 'logs' && form.length > 0) continue
      const { code, stdout, stderr } = await project.run([...command, ...form])
      assert.equal(code, 0, `${command}: ${stderr}`)
      for (const shown of [stdout, stderr, said.stdout, said.stderr])
        assert.ok(!shown.includes(SECRET) && !shown.includes(ENCODED), `${command} ${form}`)
    }
  }
  assert.match((await project.run(['status'])).stdout, /HYPER=http:\/\/shop:\*\*\*@127/)
  assert.ok(!readFileSync(project.file('.hyper-sandbox/state.json'), 'utf8').includes(SECRET))
  assert.equal(statSync(project.file('.hyper-sandbox/secrets.json')).mode & 0o777, 0o600)
  await project.down()
})

test('the command line works on a sandbox that asks for credentials', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', FILE)
  await project.up('--data', '--cache')
  const { HYPER } = (await project.json(['env'])).data as { HYPER: string }
  await connect(HYPER).cache.add('k', {})
  const purged = await project.json(['purge', 'cache', '--yes'])
  assert.deepEqual(purged.data.emptied, [{ service: 'cache', domain: 'test', count: 1 }])
  const again = await project.json(['up', '--data', '--domain', 'other', '--detach'])
  assert.equal(again.code, 0, again.error?.message)
  assert.equal((await connect(HYPER.replace('/test', '/other')).data.list()).ok, true)
  assert.equal((await project.run(['restart'])).code, 0)
  assert.equal((await connect(HYPER).data.list()).ok, true)
  await project.down()
})

test('without them a later start asks for none, and forgets the secret', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', FILE)
  await project.up()
  await project.down()
  project.write('hyper-sandbox.yaml', '')
  const { url } = await project.up('--data')
  assert.equal((await fetch(`${url}/data/test`)).status, 200)
  assert.equal((await project.json(['env'])).data.HYPER, `${url}/test`)
  assert.ok(!readFileSync(project.file('.hyper-sandbox/secrets.json'), 'utf8').includes(SECRET))
  await project.down()
})

test('the environment wins over the project file, half by half; one half alone ends with 8', async () => {
  await using project = new TestProject()
  const auth = async (env: NodeJS.ProcessEnv) => {
    const { code, data, error } = await project.json(['config'], { env })
    return code === 0 ? data.auth : [code, error?.message]
  }
  assert.equal(await auth({}), null)
  const both = { HYPER_SANDBOX_AUTH_KEY: 'ci', HYPER_SANDBOX_AUTH_SECRET: 'x' }
  assert.deepEqual(await auth(both), { key: 'ci', secret: '***' })
  assert.deepEqual(await auth({ HYPER_SANDBOX_AUTH_KEY: 'ci' }), [8, 'auth has no secret'])
  assert.deepEqual(await auth({ HYPER_SANDBOX_AUTH_SECRET: 'x' }), [8, 'auth has no key'])
  project.write('hyper-sandbox.yaml', 'auth: { key: shop }\n')
  assert.deepEqual(await auth({ HYPER_SANDBOX_AUTH_SECRET: 'x' }), { key: 'shop', secret: '***' })
  project.write('hyper-sandbox.local.yaml', 'auth: { secret: y }\n')
  assert.deepEqual(await auth({}), { key: 'shop', secret: '***' })
  assert.deepEqual(await auth(both), { key: 'ci', secret: '***' })
  project.write('hyper-sandbox.local.yaml', 'auth: { secrte: y }\n')
  assert.deepEqual(await auth({}), [
    8,
    "hyper-sandbox.local.yaml:1: unknown key 'auth.secrte' (did you mean 'secret'?)",
  ])
})

test("the sandbox's own secrets may come from the environment, in place of what the project keeps", async () => {
  await using project = new TestProject()
  const secrets = () => JSON.parse(readFileSync(project.file('.hyper-sandbox/secrets.json'), 'utf8'))
  await project.up('--data')
  const own = secrets()
  await project.down()

  const env = { HYPER_SANDBOX_TOKEN: 'known-to-others', HYPER_SANDBOX_SIGNING_KEY: 'a2V5' }
  const said = await project.run(['up', '--detach', '--port', '0', '--data'], { env })
  assert.equal(said.code, 0, said.stderr)
  assert.ok(!`${said.stdout}${said.stderr}`.includes('known-to-others'))
  assert.deepEqual(secrets(), { token: 'known-to-others', signingKey: 'a2V5' })
  const admits = async (token: string) => {
    // From a web page, for which being on this machine is not enough.
    const headers = { authorization: `Bearer ${token}`, origin: 'http://localhost' }
    const body = JSON.stringify({ all: true })
    return (await fetch(`${project.state().url}/_sandbox/purge`, { method: 'POST', headers, body })).status
  }
  assert.deepEqual([await admits('known-to-others'), await admits(own.token)], [200, 401])
  await project.down()

  const refusal = async (variables: NodeJS.ProcessEnv) => {
    const { code, error } = await project.json(['up', '--detach', '--port', '0'], { env: variables })
    return [code, error?.message]
  }
  assert.deepEqual(await refusal({ HYPER_SANDBOX_TOKEN: 'two words' }), [
    8,
    'HYPER_SANDBOX_TOKEN must be ASCII without spaces',
  ])
  assert.deepEqual(await refusal({ HYPER_SANDBOX_SIGNING_KEY: 'not/base64url' }), [
    8,
    'HYPER_SANDBOX_SIGNING_KEY must be base64url',
  ])
})
