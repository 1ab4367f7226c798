import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { fio } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import {
  assertApart,
  assertEven,
  type MapView,
  MovingCluster,
  membersByDisk,
} from '../helpers/moving.ts'

const rebalance = suite('rebalance')
const demo = new MovingCluster()
const small = ['--disk-size', '320MiB']
const restMs = 60_000
/** The last part of the volume holds what is written once and read at the end. */
const kept = ['--offset=768M', '--size=32M', '--bs=256k', '--iodepth=4']
/** Ends with the last step that moves data, or a little later. */
const loadSeconds = 32
let load: Load

before(rebalance, async () => {
  await demo.up('--peers', '5', ...small)
  // As chosen for five disks, and kept so: twice as many would take twice as long to move.
  await demo.json('p1', 'policy', 'set', 'default', '--groups', '256')
  await fio({ uri: demo.uri, rw: 'write', more: [...kept, '--do_verify=0'] })
  load = Load.verified(demo.uri, loadSeconds, ['--bsrange=4k-64k', '--size=48M'])
})
rebalance.after(async () => {
  load?.kill()
  await demo.down()
})

rebalance(
  'five peers grow to eight: paused nothing moves, then every disk has its share',
  async () => {
    await demo.json('p1', 'task', 'pause', 'rebalance')
    const limits = ['--per-disk', '32', '--per-peer', '32']
    await demo.json('p1', 'task', 'set', 'rebalance', ...limits)
    await demo.up('--peers', '8', ...small)
    const [task] = await demo.tasks()
    assert.equal([task!.id, task!.state], ['rebalance', 'paused'])
    assert.equal(newcomers(await demo.map()), [0, 0, 0])
    const planned = await demo.json<{ moved: number }>('p1', 'disk', 'drain', '1', '--dry-run')
    assert.ok(planned.moved > 0)
    await demo.json('p1', 'task', 'resume', 'rebalance')
    const map = await demo.settle(restMs)
    assertEven(
      map,
      map.disks.map(disk => disk.id),
    )
  },
)

rebalance('one drains while the control process of the leader dies; then it may go', async () => {
  const disk = await demo.diskOf('p4')
  const refused = await demo.shoal('p1', 'disk', 'remove', `${disk}`, '--confirm', `${disk}`)
  assert.is(refused.code, 5)
  assert.match(refused.stderr, `shoal disk drain ${disk}`)
  await demo.json('p1', 'disk', 'drain', `${disk}`)
  const { leader } = await demo.json<{ leader: string }>('p1', 'cluster', 'show')
  process.kill(demo.peer(leader).pid!, 'SIGKILL')
  await demo.act('start', leader)
  const map = await demo.settle(restMs)
  assert.is(membersByDisk(map).get(disk), 0)
  await demo.json('p1', 'disk', 'remove', `${disk}`, '--confirm', `${disk}`)
  await demo.waitFor('it is forgotten', status => status.disks.total === 7, 30_000)
})

rebalance('racks: copies go apart, and again when one is renamed', async () => {
  const racks = ['r1', 'r1', 'r2', 'r2', 'r3', 'r3', 'r4', 'r4']
  for (const [at, rack] of racks.entries())
    await demo.json('p1', 'peer', 'set', `p${at + 1}`, '--domain', `rack=${rack}`)
  await demo.json('p1', 'policy', 'set', 'default', '--domain', 'rack')
  await demo.settle(restMs)
  for (const peer of ['p7', 'p8']) await demo.json('p1', 'peer', 'set', peer, '--domain', 'rack=r3')
  const map = await demo.settle(restMs)
  assertApart(map, rackOf(map))
})

rebalance('more groups move nothing of what is there', async () => {
  const members = (map: MapView) => map.policies[0]!.pgs.map(pg => pg.members)
  const before = members(await demo.map())
  await demo.json('p1', 'policy', 'set', 'default', '--groups', `${before.length * 2}`)
  await demo.waitHealthy(restMs)
  const after = members(await demo.settle(restMs))
  assert.equal([after.length, after.slice(0, before.length)], [before.length * 2, before])
})

rebalance('nobody who read or wrote meanwhile saw an error, and all is there', async () => {
  await load.end()
  await fio({ uri: demo.uri, rw: 'read', more: kept })
  await demo.waitHealthy(30_000)
})

function newcomers(map: MapView): number[] {
  const counts = membersByDisk(map)
  return map.disks
    .filter(disk => ['p6', 'p7', 'p8'].includes(disk.peer))
    .map(disk => counts.get(disk.id)!)
}

function rackOf(map: MapView): (disk: number) => string {
  const racks = new Map(map.peers.map(peer => [peer.name, peer.rack]))
  const peers = new Map(map.disks.map(disk => [disk.id, disk.peer]))
  return disk => racks.get(peers.get(disk)!)!
}

rebalance.run()
