import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

const move = suite('one peer at a time')
const demo = new DemoCluster()
move.before(async () => {
  await demo.up()
})
move.after(() => demo.down())

move('a second peer is refused, told who has it, and served at once afterwards', async () => {
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x5a 0 1M', demo.uri)
  const refused = await demo.shoal('p2', 'export', 'create', 'demo', '--nbd', '--json')
  assert.is(refused.code, 5)
  const { error } = JSON.parse(refused.stdout)
  assert.is(error.data.holder, 'p1')
  assert.match(error.hint, /^on p1: shoal (detach demo|export delete \d+)$/)
  await runHint(error.hint)
  const { uri } = await demo.json<{ uri: string }>('p2', 'export', 'create', 'demo', '--nbd')
  assert.not.match(
    await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x5a 0 1M', uri),
    /verification failed/,
  )
})

/** Does what the refusal said, until the volume is free. */
async function runHint(hint: string): Promise<void> {
  const words = hint.replace(/^on p1: shoal /, '').split(' ')
  const ran = await demo.shoal('p1', ...words)
  assert.is(ran.code, 0, ran.stderr)
}

move.run()
