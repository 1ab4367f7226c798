import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { countTests, testPrograms } from '../../../scripts/testing/cargo.ts'
import { passedOne, summary, withoutSkips } from '../../../scripts/testing/result.ts'
import { runUvuFile, staticFault } from '../../../scripts/testing/uvu-file.ts'

const runner = suite('test runner')
const root = join(import.meta.dirname, '../../..')
// Split, so that the guard does not find these words in this file.
const run = '.run' + '()'
const only = '.on' + 'ly('

async function runSource(source: string, limitMs = 20_000) {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-runner-'))
  const path = join(dir, 'sample.test.ts')
  const uvu = join(root, 'node_modules/uvu/dist/index.mjs')
  writeFileSync(path, `import { suite } from '${uvu}'\nconst s = suite('s')\n${source}`)
  try {
    return await runUvuFile({ name: 'sample', path, limitMs, root: dir })
  } finally {
    rmSync(dir, { recursive: true })
  }
}

runner('counts passed and failed tests', async () => {
  const result = await runSource(
    `s('a', () => {})\ns('b', () => { throw new Error('no') })\ns${run}`,
  )
  assert.is(result.passed, 1)
  assert.is(result.failed, 1)
})

runner('fails a file that forgets to run', async () => {
  const result = await runSource(`s('a', () => {})\n`)
  assert.is(result.failed, 1)
  assert.match(result.detail, 'never calls')
})

runner('fails a file that runs no test', async () => {
  const result = await runSource(`s${run}\n`)
  assert.is(result.failed, 1)
  assert.match(result.detail, 'ran no test')
})

runner('fails a file that hangs, and says so', async () => {
  const source = `s('a', () => new Promise(() => setInterval(() => {}, 1000)))\ns${run}\n`
  const result = await runSource(source, 1_000)
  assert.is(result.failed, 1)
  assert.match(result.detail, 'hit its limit of 1 s')
})

runner('fails a file that crashes before its tests', async () => {
  const result = await runSource(`throw new Error('boom')\ns${run}\n`)
  assert.is(result.failed, 1)
  assert.match(result.detail, 'boom')
})

runner('refuses .only by looking at the source', () => {
  assert.match(staticFault(`s${only}'a')\ns${run}`) ?? '', 'hides its other tests')
  assert.is(staticFault(`s('a')\ns${run}`), undefined)
})

runner('takes exit code 77 as a skip with its reason, which CI turns into a failure', async () => {
  const result = await runSource(`console.log('no such kernel')\nprocess.exit(77)\ns${run}\n`)
  assert.equal(result.skipped, [{ name: 'sample', reason: 'no such kernel' }])
  assert.is(summary([result]), '0 passed, 0 failed, 1 skipped')
  assert.is(summary([withoutSkips(result)]), '0 passed, 1 failed')
})

runner('reads what cargo prints, ignored tests too', () => {
  const output = [
    'test a::b ... ok',
    'test a::slow ... ignored, takes an hour',
    'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out',
    'test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out',
  ].join('\n')
  const counted = countTests(output)
  assert.is(counted.passed, 4)
  assert.is(counted.failed, 2)
  assert.equal(counted.ignored, [{ name: 'a::slow', reason: 'takes an hour' }])
})

runner('runs the test programs that cargo names, and nothing else that it built', () => {
  const artifact = (crate: string, test: boolean, executable: string | null) =>
    JSON.stringify({
      reason: 'compiler-artifact',
      manifest_path: `/src/native/crates/${crate}/Cargo.toml`,
      profile: { test },
      executable,
    })
  const output = [
    artifact('store', true, '/t/store-1'),
    artifact('store', false, '/t/examples/bench'),
    artifact('serde', false, null),
    artifact('sim', true, '/t/seeds-2'),
    '{"reason":"build-finished","success":true}',
  ].join('\n')
  assert.equal(testPrograms(output), [
    { crate: 'store', path: '/t/store-1' },
    { crate: 'sim', path: '/t/seeds-2' },
  ])
})

runner('leaves the skips out of the last line when there are none', () => {
  assert.is(summary([passedOne('a', 1), passedOne('b', 1)]), '2 passed, 0 failed')
})

runner.run()
