// A disk on which more goes bad than a disk should lose is put out while it still can be copied from,
// and nothing is lost.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'
import { flipBits } from '../helpers/disk-damage.ts'

interface Disk {
  id: number
  peer: string
  path: string
  state: string
}

/** A disk is put out beyond 20,000 bad blocks. */
const badBlocks = 24_000
const data = ['--size=112M', '--bs=256k', '--iodepth=4']
const failing = suite('failing disk')
const demo = new DemoCluster()
before(failing, async () => {
  await demo.up()
})
failing.after(() => demo.down())

failing('a few bad blocks leave it in, too many put it out', async () => {
  await fio({ uri: demo.uri, rw: 'write', more: data })
  await folded()
  const before = (await disk())!
  flipBits(before.path, 500, 1)
  await check(before.id)
  assert.is((await disk())?.state, before.state)
  await folded()
  flipBits(before.path, badBlocks, 2)
  await check(before.id)
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'disk_failing'))
  assert.is.not((await disk())?.state, before.state)
  await demo.waitFor('a warning', status => status.health !== 'ok', 20_000)
  await fio({ uri: demo.uri, rw: 'read', more: data })
})

async function check(id: number): Promise<void> {
  await demo.json('p3', 'disk', 'check', String(id), '--wait')
}

async function disk(): Promise<Disk | undefined> {
  const disks = await demo.json<Disk[]>('p1', 'disk', 'list')
  return disks.find(one => one.peer === 'p3')
}

/** Data leaves the logs when nobody writes for two seconds. */
async function folded(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 3_500))
}

failing.run()
