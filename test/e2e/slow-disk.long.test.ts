// A disk that writes much slower than the others of its class is named, and may be given less.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { fio, type StatusResult } from '../helpers/demo-cluster.ts'
import { FaultyDisk } from '../helpers/faulty-disk.ts'
import { MovingCluster, membersByDisk } from '../helpers/moving.ts'
import { sleep } from '../helpers/sleep.ts'

interface Disk {
  id: number
  peer: string
  path: string
  weight: number
  write_us: number | null
}

const slow = suite('slow disk, long')
const demo = new MovingCluster()
const restMs = 120_000
/** Some tens of milliseconds for each of the writes that wait for one another. */
const iopsMax = 30
let disk: FaultyDisk | undefined

before(slow, async () => {
  await demo.up('--peers', '5', '--disk-size', '2GiB')
})
slow.after(async () => {
  await demo.down()
  await disk?.end()
})

const disks = () => demo.json<Disk[]>('p1', 'disk', 'list')

slow('every peer tells how long its disk takes to write', async () => {
  const more = ['--size=64M', '--bs=4k', '--iodepth=4', '--number_ios=6000']
  await fio({ uri: demo.uri, rw: 'randwrite', more })
  const end = Date.now() + restMs
  while ((await disks()).some(one => one.write_us === null)) {
    assert.ok(Date.now() < end, 'the others were not told')
    await sleep(500)
  }
  assert.is((await demo.status()).health, 'ok')
})

slow('a slow one is named by status; with half the weight it has half the share', async () => {
  const found = (await disks()).find(one => one.peer === 'p5')!
  await demo.act('stop', 'p5')
  disk = await FaultyDisk.over(found.path, [], iopsMax)
  await demo.act('start', 'p5')
  const more = ['--size=64M', '--bs=4k', '--iodepth=2', '--time_based=1', '--runtime=20']
  await fio({ uri: demo.uri, rw: 'randwrite', more })
  const slowOnes = (status: StatusResult) =>
    status.reasons.filter(one => one.code === 'disk_slower_than_class')
  const status = await demo.waitFor('a warning', one => slowOnes(one).length > 0, restMs)
  const half = Math.floor(found.weight / 2)
  const [reason, ...others] = slowOnes(status)
  assert.equal(others, [])
  assert.match(reason!.next, `shoal disk set ${found.id} --weight ${half};`)
  await demo.json('p1', 'disk', 'set', `${found.id}`, '--weight', `${half}`)
  const counts = membersByDisk(await demo.settle(restMs, 2))
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const share = (total * half) / (4 * found.weight + half)
  assert.ok(Math.abs(counts.get(found.id)! - share) < 1, `${counts.get(found.id)} of ${share}`)
})

slow.run()
