/** The acceptance cases against the stack that `up` makes on Docker; search too where there is an image of Meilisearch. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { LACKS_WITHOUT_SEARCH, STAND_IN_LACKS } from './acceptance/lacks.ts'
import { ComposeProject, stackImages, testsOn } from './helpers/compose-project.ts'
import { run } from './parts/part.ts'

await testsOn('the acceptance cases on Docker', await stackImages(), async (images) => {
  const project = new ComposeProject(images)
  after(() => project[Symbol.asyncDispose]())
  const up = await project.run([
    'up',
    '--detach',
    '--wait',
    '--port',
    '0',
    ...(images.meilisearch ? [] : ['--exclude', 'search']),
  ])
  assert.equal(up.code, 0, up.stderr)
  const { url } = project.state()
  const network = (await project.onEngine('network'))[0]?.split(' ')[1] ?? ''
  // What queues are to reach is seen from a container.
  process.env.HYPER_TEST_TARGET_HOST = await run('docker', [
    'network',
    'inspect',
    network,
    '--format',
    '{{(index .IPAM.Config 0).Gateway}}',
  ])
  const { registerCases } = await import('./acceptance/cases.ts')
  const lacks = images.meilisearch ? STAND_IN_LACKS : { ...STAND_IN_LACKS, ...LACKS_WITHOUT_SEARCH }
  registerCases({ test, origin: () => url, lacks })
})
