import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

const full = suite('full disk')
const demo = new DemoCluster()
full.before(async () => {
  await demo.up('--disk-size', '192MiB')
})
full.after(() => demo.down())

full('a full pool says so, loses nothing, and goes on after a delete', async () => {
  await demo.json('p1', 'volume', 'create', 'big', '--size', '1GiB')
  const { id, uri } = await demo.json<{ id: number; uri: string }>(
    'p1',
    'export',
    'create',
    'big',
    '--nbd',
  )
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x33 0 16M', uri)
  const overflow = tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x44 16M 900M', uri)
  await assert_rejects(overflow, /No space left on device/)
  const read = await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x33 0 16M', uri)
  assert.not.match(read, /verification failed/)
  await demo.json('p1', 'export', 'delete', String(id))
  const deleted = await demo.shoal('p1', 'volume', 'delete', 'big', '--yes', '--confirm', 'big')
  assert.is(deleted.code, 0, deleted.stderr)
  await writeUntilTaken()
})

/** What the deleted volume held is given back in the background. */
async function writeUntilTaken(): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x55 0 16M', demo.uri)
      return
    } catch (thrown) {
      if (attempt >= 30) throw thrown
      await new Promise(resolve => setTimeout(resolve, 1_000))
    }
  }
}

async function assert_rejects(promise: Promise<string>, pattern: RegExp): Promise<void> {
  const outcome = await promise.then(
    text => text,
    (error: Error) => error.message,
  )
  assert.match(outcome, pattern)
}

full.run()
