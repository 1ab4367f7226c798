// The last copies in sync are gone for good: `volume recover` says what may be old, does nothing by
// itself, and goes on from the stale copy when it is told to.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { peerPaths } from '../../src/common/paths.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'
import { sleep } from '../helpers/sleep.ts'

interface Plan {
  groups: number
  hopeless: number
  old_bytes: number
  ranges: { offset: number; length: number }[]
  refused: number
}

const limitMs = 120_000
const lost = ['p1', 'p2']

const recover = suite('recover a volume')
const demo = new DemoCluster()
before(recover, async () => {
  await demo.up()
})
recover.after(() => demo.down())

recover('with copies in sync there is nothing to recover', async () => {
  await qemuIo(demo.uri, 'write -P 0x11 0 8M')
  await demo.waitHealthy(limitMs)
  const plan = await planned()
  assert.equal([plan.groups, plan.hopeless, plan.old_bytes], [0, 0, 0])
})

recover('once the disks with the newest copies are gone, it says what may be old', async () => {
  await demo.act('kill', 'p3')
  // Every group is written, so that p3 is out of all of them.
  await qemuIo(demo.uri, 'write -P 0x22 0 4M')
  await demo.waitFor('p3 is out', status => status.volumes.degraded > 0, limitMs)
  await demo.json('p1', 'export', 'delete', '1', '--force')
  for (const name of lost) await demo.act('kill', name)
  for (const name of lost) rmSync(join(peerPaths(demo.peer(name).dir).diskDir, 'disk1'))
  for (const name of ['p1', 'p2', 'p3']) await demo.act('start', name)
  const status = await demo.waitFor(
    'both disks are known to be gone',
    ({ reasons }) => reasons.filter(reason => reason.code === 'disk_down').length === 2,
    limitMs,
    'p3',
  )
  assert.is.not(status.health, 'ok')
  const plan = await planned()
  assert.ok(plan.groups > 0, JSON.stringify(plan))
  assert.is(plan.hopeless, 0)
  assert.ok(plan.ranges.some(range => range.offset === 0))
  assert.is(
    plan.old_bytes,
    plan.ranges.reduce((sum, range) => sum + range.length, 0),
  )
  const unconfirmed = await demo.shoal('p3', 'volume', 'recover', 'demo', '--allow-data-loss')
  assert.is.not(unconfirmed.code, 0, 'not without a confirmation')
  assert.equal((await planned()).groups, plan.groups, 'nothing was changed')
})

recover('nothing is promoted by itself, and then by one command', async () => {
  await sleep(5_000)
  const before = await planned()
  assert.ok(before.groups > 0)
  const args = ['volume', 'recover', 'demo', '--allow-data-loss', '--confirm', 'demo', '--yes']
  const done = await demo.json<Plan>('p3', ...args)
  assert.equal([done.groups, done.refused], [before.groups, 0])
  assert.is((await planned()).groups, 0)
  const events = await demo.json<{ code: string }[]>('p3', 'event', 'list')
  const promoted = events.filter(event => event.code === 'copy_promoted')
  assert.is(promoted.length, before.groups)
  await demo.json('p3', 'policy', 'set', 'default', '--min-in-sync', '1', '--confirm', 'default')
  const { uri } = await demo.json<{ uri: string }>('p3', 'export', 'create', 'demo', '--nbd')
  // What only the lost copies had is gone; what p3 has is whole, block by block.
  await qemuIo(uri, 'read -P 0x11 4M 4M')
  const old = await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x11 0 4M', uri)
  console.log(`      ${/verification failed/.test(old) ? 'some' : 'all'} of it is old`)
  await qemuIo(uri, 'write -P 0x33 0 4M')
  await qemuIo(uri, 'read -P 0x33 0 4M')
})

function planned(): Promise<Plan> {
  return demo.json<Plan>('p3', 'volume', 'recover', 'demo')
}

async function qemuIo(uri: string, command: string): Promise<void> {
  const said = await tool('qemu-io', '-f', 'raw', '-c', command, uri)
  assert.not.match(said, /verification failed|error/)
}

recover.run()
