/** What README.md tells people to type does what it says: its blocks are taken from the file and run. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

import { pathToFileURL } from 'node:url'
import { TestProject, test } from './helpers/cli.ts'
import { ROOT } from './source-files.ts'

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const ADDRESS = '127.0.0.1:6363'

const entry = process.env.HYPER_TEST_CLI ?? join(ROOT, 'cli/main.ts')
const COMMAND = `hyper-sandbox() { "${process.execPath}" "${entry}" "$@"; }`

/** The fenced blocks of a language. */
function blocks(language: string): string[] {
  const found = readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))
  return [...found].map(([, text = '']) => text)
}

function only(language: string, holding: string): string {
  const [block, ...others] = blocks(language).filter((text) => text.includes(holding))
  assert.ok(block !== undefined && others.length === 0, `README.md has one ${language} block with ${holding}`)
  return block
}

async function bash(project: TestProject, script: string): Promise<string> {
  const command = ['bash', '-euc', `${COMMAND}\n${script}`]
  const { code, stdout, stderr } = await project.run([], { command })
  assert.equal(code, 0, `${script}\n${stderr}`)
  return stdout
}

/** The blocks a reader goes through between one start of the sandbox and the next, with the flags of that start. */
function chapters(): { flags: string[]; curls: string }[] {
  const found: { flags: string[]; curls: string }[] = []
  for (const block of blocks('sh')) {
    const [, flags] = /npm start -- (.*)$/m.exec(block) ?? []
    if (flags) found.push({ flags: flags.split(' '), curls: '' })
    else if (block.startsWith('curl ')) (found.at(-1) as { curls: string }).curls += block
  }
  return found
}

test('every curl answers what the comment below it says, on a sandbox started as said above it', async () => {
  await using project = new TestProject()
  assert.equal(chapters().length, 2)
  for (const { flags, curls } of chapters()) {
    const { url } = await project.up(...flags)
    const pairs = curls.matchAll(/^(curl .*)\n((?:# .*\n)+)/gm)
    let count = 0
    for (const [, command = '', comment = ''] of pairs) {
      const answer = await bash(project, command.replaceAll(ADDRESS, new URL(url).host).replace('curl', 'curl -sS'))
      assert.equal(answer, comment.replaceAll(/^# |\n$/gm, ''), command)
      count += 1
    }
    assert.equal(count, curls.match(/^curl /gm)?.length, 'every curl has its answer')
    await project.down()
  }
})

test('the commands do in their order', async () => {
  await using project = new TestProject()
  await bash(project, `export HYPER_SANDBOX_PORT=0\n${only('sh', 'hyper-sandbox up')}`)
  assert.equal(project.hasState(), false)
})

test('every command it names exists, and every command that exists is named', async () => {
  await using project = new TestProject()
  const help = await bash(project, 'hyper-sandbox --help')
  const exist = [...help.matchAll(/^ {2}([a-z]+) {2,}\S/gm)]
    .map(([, verb]) => verb)
    .filter((verb) => verb !== 'version')
  const [table = ''] = /^## Commands\n(.*?)^## /ms.exec(readme)?.slice(1) ?? []
  const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z]+)/g)].map(([, verb]) => verb),
  )
  assert.deepEqual(named.sort(), exist.sort())
})

test('the picture is what a terminal shows', async () => {
  await using project = new TestProject()
  const port = await freeTcpPort()
  const picture = only('text', '$ hyper-sandbox')
  const [, flags = ''] = /^\$ hyper-sandbox (.*)$/m.exec(picture) ?? []
  const started = project.start([...flags.split(' '), '--port', String(port)])
  await started.says('Ctrl-C')
  const { stdout, stderr } = started.said()
  started.child.kill('SIGINT')
  await started.ended
  const told = (text: string) =>
    text
      .replaceAll(`127.0.0.1:${port}`, ADDRESS)
      .replaceAll(/\d+ ms/g, 'N ms')
      .replaceAll(/[a-z]+-[0-9a-f]{6}\b/g, 'NAME')
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('$') && line !== 'starting …')
  assert.deepEqual(told(stdout + stderr), told(picture))
})

test('set-up commands name scripts that exist', async () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const setUp = blocks('sh').filter((text) => text.startsWith('npm '))
  const [start, test, restart, ...others] = setUp
  assert.deepEqual([start, test, others], ['npm ci && npm start -- --data --cache\n', 'npm cit\n', []])
  assert.match(restart ?? '', /^npm start -- (--[a-z]+ ?){5}\n$/)
  assert.equal(scripts.start, 'exec node cli/main.ts')
  assert.match(scripts.test, /^node --test /)
  const contributing = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8')
  for (const [, script = ''] of contributing.matchAll(/npm run ([a-z]+)/g)) assert.ok(script in scripts, script)
})

test('the project file is one', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', only('yaml', '$schema='))
  const { data } = await project.json(['config', '--search', '--queue'])
  assert.match(JSON.stringify(data), /"domain":"shop".*"create":\["search","queue"\]/)
  project.write('hyper-sandbox.yaml', only('yaml', 'include: '))
  project.write('compose.extra.yaml', 'services: {}\n')
  const { data: containers } = await project.json(['config', '--engine', 'compose'])
  assert.match(JSON.stringify(containers), /"cache":\{"url":"cache\.internal:6379"\}.*"mongo":\["registry\.example/)
})

test('the app answers as said', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', only('yaml', 'apps:'))
  project.write('hello.ts', only('typescript', 'export default'))
  mkdirSync(project.file('node_modules'))
  symlinkSync(join(ROOT, 'node_modules/hyper-connect'), project.file('node_modules/hyper-connect'))
  const { url, tcpPort } = await project.up('--cache')
  const { stdout } = await project.run(['apps', 'list'])
  assert.match(stdout, new RegExp(`http://hello\\.localhost:${tcpPort}`))
  const ask = async () => await (await fetch(`${url}/_app/hello/page`)).text()
  assert.deepEqual(
    [await ask(), await ask()],
    [1, 2].map((seen) => JSON.stringify({ greeting: 'Hello', seen })),
  )
  await project.down()
})

test('the programs run', async () => {
  await using project = new TestProject()
  const run = await project.up(...(chapters().at(-1)?.flags ?? []))
  const modules = project.file('node_modules')
  mkdirSync(join(modules, 'hyper-sandbox'), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules/hyper-connect'), join(modules, 'hyper-connect'))
  const sources = pathToFileURL(join(ROOT, 'cli/sandbox.ts'))
  project.write('node_modules/hyper-sandbox/index.js', `export * from ${JSON.stringify(sources)}`)
  project.write('node_modules/hyper-sandbox/package.json', '{"type":"module","exports":"./index.js"}')

  const outputs: string[] = []
  for (const program of blocks('js')) {
    writeFileSync(project.file('program.mjs'), program)
    const { code, stdout, stderr } = await project.run([], {
      command: [process.execPath, 'program.mjs'],
      env: { HYPER: `${run.url}/test` },
    })
    assert.equal(code, 0, stderr)
    outputs.push(stdout)
  }
  assert.match(outputs[0] ?? '', /Ghostbusters.*rating: 5.*Who you gonna call\?.*terms: \[ 'ghostbusters' \]/s)
  assert.match(outputs[1] ?? '', /^http:\/\/127\.0\.0\.1:\d+\/test\n$/)
  assert.equal(outputs.length, 2)
  await project.down()
})

test('every link between the documents leads somewhere', async () => {
  for (const document of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/apps.md', 'docs/engines.md']) {
    const text = readFileSync(join(ROOT, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g))
      assert.ok(existsSync(join(ROOT, dirname(document), target)), `${document}: ${target}`)
  }
})

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((listening) => server.once('listening', listening))
  const { port } = server.address() as { port: number }
  await new Promise((closed) => server.close(closed))
  return port
}
