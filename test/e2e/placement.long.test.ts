// Rules, rates and counts of a policy in a living cluster, under verified load.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { fio } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import { type MapView, MovingCluster } from '../helpers/moving.ts'
import { sleep } from '../helpers/sleep.ts'

const placement = suite('placement, long')
const demo = new MovingCluster()
const restMs = 120_000
const mebibyte = 2 ** 20
const keptMiB = 320
const kept = ['--offset=512M', `--size=${keptMiB}M`, '--bs=256k', '--iodepth=4']
let load: Load

before(placement, async () => {
  await demo.up('--peers', '5', '--disk-size', '1GiB')
  await fio({ uri: demo.uri, rw: 'write', more: [...kept, '--do_verify=0'] })
  load = Load.verified(demo.uri, 15 * 60, ['--bsrange=4k-64k', '--size=48M'])
})
placement.after(async () => {
  load?.kill()
  await demo.down()
})

interface Layout {
  groups: { index: number }[]
}

const groups = (map: MapView, policy: string) =>
  map.policies.find(one => one.name === policy)!.pgs.map(pg => pg.members)

placement('what only moves keeps to the rate; it may be changed on the way', async () => {
  const disk = await demo.diskOf('p5')
  const rate = 4 * mebibyte
  await demo.json('p1', 'task', 'set', 'rebalance', '--per-disk', '16', '--per-peer', '16')
  const set = ['task', 'set', 'rebalance', '--disk-rate', '4MiB', '--peer-rate', '8MiB']
  const limits = await demo.json<{ disk_rate: number; peer_rate: number }>('p1', ...set)
  assert.equal([limits.disk_rate, limits.peer_rate], [rate, 2 * rate])
  // A fifth of three copies comes to four disks, none of which may take more than the rate.
  const leastMs = ((0.8 * (keptMiB * 3 * mebibyte)) / 5 / 4 / rate) * 1000
  const begunMs = performance.now()
  await demo.json('p1', 'disk', 'drain', `${disk}`)
  await demo.settle(restMs)
  const tookMs = performance.now() - begunMs
  assert.ok(tookMs >= leastMs, `${tookMs} ms, at least ${leastMs} at this rate`)
  await demo.json('p1', 'task', 'set', 'rebalance', '--disk-rate', '1MiB')
  await demo.json('p1', 'disk', 'undrain', `${disk}`)
  const off = ['--disk-rate', 'none', '--peer-rate', 'none']
  await demo.json('p1', 'task', 'set', 'rebalance', ...off)
  await demo.settle(restMs)
})

placement('labels, bounds and a local copy, from the beginning of a policy', async () => {
  const map = await demo.map()
  const peerOf = new Map(map.disks.map(disk => [disk.id, disk.peer]))
  for (const [at, peer] of ['p1', 'p2', 'p3', 'p4', 'p5'].entries()) {
    await demo.json('p1', 'peer', 'set', peer, '--domain', `rack=r${at % 2}`)
    if (peer !== 'p5')
      await demo.json('p1', 'disk', 'set', `${await demo.diskOf(peer)}`, '--labels', 'new')
  }
  const rules = ['--max-per', 'rack=2', '--labels', 'new', '--localize', 'peer:p2']
  await demo.json('p1', 'policy', 'create', 'ruled', '--copies', '3', ...rules)
  await demo.json('p1', 'volume', 'create', 'local', '--size', '256MiB', '--policy', 'ruled')
  const check = (found: MapView, localPeer: string) => {
    for (const members of groups(found, 'ruled')) {
      const peers = members.map(one => peerOf.get(one)!)
      assert.ok(peers.includes(localPeer) && !peers.includes('p5'), `${peers}`)
      const odd = peers.filter(peer => ['p2', 'p4'].includes(peer)).length
      assert.ok(odd >= 1 && odd <= 2, `${peers} are in two racks`)
    }
  }
  check(await demo.settle(restMs), 'p2')
  await demo.json('p1', 'policy', 'set', 'ruled', '--localize', 'peer:p3')
  check(await demo.settle(restMs), 'p3')
  const refused = await demo.shoal('p1', 'policy', 'create', 'no', '--localize', 'peer:p9')
  assert.is(refused.code, 3, refused.stderr)
})

placement(
  'the groups follow the disks, with an event, and old volumes keep to the old',
  async () => {
    const shown = () => demo.json<{ pg_count: number }>('p1', 'policy', 'show', 'default')
    assert.is((await shown()).pg_count, 256, 'chosen for five disks')
    await demo.up('--peers', '5', '--disks', '2', '--disk-size', '1GiB')
    await demo.settle(restMs)
    const end = Date.now() + restMs
    while ((await shown()).pg_count !== 512) {
      assert.ok(Date.now() < end, 'it did not grow')
      await sleep(500)
    }
    await demo.settle(restMs)
    const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
    assert.is(events.filter(event => event.code === 'groups_grown').length, 1)
    const layout = await demo.json<Layout>('p1', 'volume', 'show', 'demo', '--layout')
    assert.ok(layout.groups.every(group => group.index < 256))
  },
)

placement('more groups move nothing of what is there', async () => {
  const before = await demo.settle(restMs)
  const old = groups(before, 'default')
  const count = old.length
  await demo.json('p1', 'policy', 'set', 'default', '--groups', `${count * 4}`)
  await demo.waitHealthy(restMs)
  const now = groups(await demo.settle(restMs), 'default')
  assert.is(now.length, count * 4)
  assert.equal(now.slice(0, count), old)
  const layout = (name: string) => demo.json<Layout>('p1', 'volume', 'show', name, '--layout')
  assert.ok((await layout('demo')).groups.every(group => group.index < count))
  await demo.json('p1', 'volume', 'create', 'wide', '--size', '2GiB')
  assert.ok((await layout('wide')).groups.some(group => group.index >= count))
})

placement('no error was seen, and what was written once is there', async () => {
  await load.stop()
  await fio({ uri: demo.uri, rw: 'read', more: kept })
  await demo.waitHealthy(60_000)
})

placement.run()
