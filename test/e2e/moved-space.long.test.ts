// Groups that move to a new peer leave space behind where they were: what is stored grows no larger by it.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { fio } from '../helpers/demo-cluster.ts'
import { MovingCluster } from '../helpers/moving.ts'
import { sleep } from '../helpers/sleep.ts'

const settleMs = 180_000
/** A minute after a group has gone, what is left of it is dropped. */
const dropMs = 120_000
const written = ['--bs=256k', '--size=256M', '--iodepth=4']

const moved = suite('space of groups that moved')
const demo = new MovingCluster()
before(moved, async () => {
  await demo.up('--peers', '3', '--disk-size', '1GiB')
  await fio({ uri: demo.uri, rw: 'write', more: [...written, '--do_verify=0'] })
})
moved.after(() => demo.down())

/** In bytes, of all disks or of one peer's; peers tell it now and then. */
async function used(peer?: string): Promise<number> {
  const disks = await demo.json<{ peer: string; used: number }[]>('p1', 'disk', 'list')
  const counted = disks.filter(disk => peer === undefined || disk.peer === peer)
  return counted.reduce((sum, disk) => sum + disk.used, 0)
}

moved('a fourth peer takes its part, and the others give it back', async () => {
  const mib = 2 ** 20
  while ((await used()) < 3 * 250 * mib) await sleep(500)
  const usedBefore = await used()
  await demo.up('--peers', '4', '--disk-size', '1GiB')
  await demo.settle(settleMs, 3)
  while ((await used('p4')) < 100 * mib) await sleep(500)
  const movedBytes = await used('p4')
  const end = Date.now() + dropMs
  while ((await used()) > usedBefore + movedBytes / 4 && Date.now() < end) await sleep(2_000)
  const usedAfter = await used()
  assert.ok(
    usedAfter < usedBefore + movedBytes / 4,
    `${usedBefore / mib} -> ${usedAfter / mib} MiB`,
  )
  await fio({ uri: demo.uri, rw: 'read', more: written })
})

moved.run()
