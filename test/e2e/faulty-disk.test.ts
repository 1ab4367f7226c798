import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'
import { FaultyDisk } from '../helpers/faulty-disk.ts'
import { Load } from '../helpers/load.ts'
import { sleep } from '../helpers/sleep.ts'

interface Disk {
  id: number
  peer: string
  path: string
  state: string
}

const faulty = suite('faulty disk')
const demo = new DemoCluster()
let disk: FaultyDisk | undefined

before(faulty, async () => {
  await demo.up()
})
faulty.after(async () => {
  await demo.down()
  await disk?.end()
})

faulty('an error of a log write fences the store, and the rest goes on', async () => {
  const { path } = await diskOf('p3')
  await demo.act('stop', 'p3')
  disk = await FaultyDisk.over(path, logSectors())
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  const more = ['--size=64M', '--bs=4k', '--iodepth=1', '--number_ios=4000']
  await fio({ uri: demo.uri, rw: 'randwrite', more })
  await demo.waitFor('a warning', status => status.health !== 'ok', 20_000)
  const disks = await demo.json<Disk[]>('p3', 'disk', 'list')
  assert.is(disks.find(one => one.peer === 'p3')?.state, 'fenced')
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'store_fenced'))
  // On a disk that works again it is brought up to date.
  await demo.act('stop', 'p3')
  await disk.end()
  disk = await FaultyDisk.over(path)
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
})

faulty('a disk that answers nothing is out in time, and comes back by itself', async () => {
  const load = Load.writes(demo.uri, 15)
  await sleep(3_000)
  disk!.stall()
  await demo.waitFor('a warning', status => status.health === 'warn', 20_000)
  await sleep(4_000)
  disk!.resume()
  const longest = (await load.latency()).maxMs
  // What clients wait for is its detection, with room for a machine that is busy with other tests.
  assert.ok(longest < 5_000, `the longest write took ${longest} ms`)
  await demo.waitHealthy(90_000)
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'disk_stalled'))
})

/** Every 32nd cell of the data log's second half (docs/formats/store.md): any longer log write fails. */
function logSectors() {
  const cells = (512 * 2 ** 20) / 4096
  const roots = Math.max(16, Math.floor(cells / 512)) * 4
  const first = 1 + roots
  const count = Math.floor(cells / 16)
  return Array.from({ length: 64 }, (_, i) => ({
    iotype: 'write' as const,
    offset: (first + Math.floor(count / 2) + i * 32) * 4096,
  }))
}

async function diskOf(peer: string): Promise<Disk> {
  const disks = await demo.json<Disk[]>('p1', 'disk', 'list')
  return disks.find(one => one.peer === peer)!
}

faulty.run()
