// The long form: changes that come before the last one is done, peers and control processes that die
// on the way, for minutes, under verified load. Seeded: the same changes at every run.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../src/common/random.ts'
import { before } from '../helpers/before.ts'
import { fio } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import { assertApart, assertEven, MovingCluster, membersByDisk } from '../helpers/moving.ts'
import { sleep } from '../helpers/sleep.ts'

const rebalance = suite('rebalance, long')
const demo = new MovingCluster()
const random = seededRandom(11)
const rounds = 16
const restMs = 180_000
/** One copy may be away with the peer that was killed. */
const copiesMin = 2
const kept = ['--offset=512M', '--size=256M', '--bs=256k', '--iodepth=4']
const sizes = ['--disks', '2', '--disk-size', '512MiB']
let load: Load

before(rebalance, async () => {
  await demo.up('--peers', '5', ...sizes)
  // As chosen for ten disks, and kept so: one copy on sixteen disks would ask for four times as many.
  await demo.json('p1', 'policy', 'set', 'default', '--groups', '512')
  await fio({ uri: demo.uri, rw: 'write', more: [...kept, '--do_verify=0'] })
  load = Load.verified(demo.uri, 15 * 60, ['--bsrange=4k-64k', '--size=96M'])
  await demo.json('p1', 'task', 'set', 'rebalance', '--per-disk', '8', '--per-peer', '16')
})
rebalance.after(async () => {
  load?.kill()
  await demo.down()
})

rebalance('grows to eight while a peer is killed and comes back', async () => {
  const growing = demo.up('--peers', '8', ...sizes)
  await sleep(1_000)
  await growing
  await demo.act('kill', 'p3')
  await sleep(8_000)
  await demo.act('start', 'p3')
  const map = await demo.settle(restMs, copiesMin)
  assertEven(
    map,
    map.disks.map(disk => disk.id),
  )
})

rebalance(
  'changes that overtake one another come to rest where the last one wants it',
  async () => {
    const draining = new Set<number>()
    for (let round = 0; round < rounds; round++) {
      await change(Math.floor(random.fraction() * 5), draining)
      await sleep(500 + Math.floor(random.fraction() * 4_000))
      load.assertRunning()
    }
    await demo.settle(restMs, copiesMin)
    for (const disk of draining) await demo.json('p1', 'disk', 'undrain', `${disk}`)
    const map = await demo.settle(restMs, copiesMin)
    const peers = new Map(map.disks.map(disk => [disk.id, disk.peer]))
    assertApart(map, disk => peers.get(disk)!)
    assertEven(
      map,
      map.disks.map(disk => disk.id),
    )
  },
)

async function change(kind: number, draining: Set<number>): Promise<void> {
  const { disks } = await demo.map()
  const disk = disks[Math.floor(random.fraction() * disks.length)]!
  if (kind === 0 && draining.size < 4) {
    draining.add(disk.id)
    await demo.json('p1', 'disk', 'drain', `${disk.id}`)
  } else if (kind === 1 && draining.size > 0) {
    const [first] = draining
    draining.delete(first!)
    await demo.json('p1', 'disk', 'undrain', `${first}`)
  } else if (kind === 2) {
    await killControlOfLeader()
  } else if (kind === 3 && disk.peer !== 'p1') {
    await demo.act('kill', disk.peer)
    await sleep(6_000)
    await demo.act('start', disk.peer)
  } else {
    await demo.json('p1', 'peer', 'set', disk.peer, '--domain', `rack=r${random.hex(1)}`)
  }
}

async function killControlOfLeader(): Promise<void> {
  const { leader } = await demo.json<{ leader: string | null }>('p1', 'cluster', 'show')
  if (leader === null) return
  const { pid } = demo.peer(leader)
  if (pid !== null) process.kill(pid, 'SIGKILL')
  await demo.act('start', leader)
}

rebalance('fewer copies and more of them again', async () => {
  const set = (copies: number) =>
    demo.json('p1', 'policy', 'set', 'default', '--copies', `${copies}`, '--confirm', 'default')
  await set(2)
  await demo.settle(restMs, 2, 'p1', 2)
  // The volume is attached: what was two in sync at least is one from now on.
  await set(1)
  await demo.settle(restMs, 1, 'p1', 1)
  await sleep(3_000)
  load.assertRunning()
  await set(3)
  await demo.settle(restMs, 1)
})

rebalance('a peer drains, is removed, and nothing names it any more', async () => {
  await demo.json('p1', 'peer', 'drain', 'p8')
  const map = await demo.settle(restMs, 3)
  const counts = membersByDisk(map)
  for (const disk of map.disks.filter(one => one.peer === 'p8')) assert.is(counts.get(disk.id), 0)
  await demo.json('p1', 'peer', 'remove', 'p8', '--confirm', 'p8')
  await demo.waitFor('p8 is forgotten', status => status.peers.length === 7, 60_000)
})

rebalance('no error was seen, and what was written once is there', async () => {
  await load.stop()
  await fio({ uri: demo.uri, rw: 'read', more: kept })
  await demo.waitHealthy(60_000)
})

rebalance.run()
