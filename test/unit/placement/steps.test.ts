import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Id,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../../src/placement/index.ts'
import { chooseLeaving } from '../../../src/placement/leaving.ts'
import {
  nextBatch,
  nextBatchInTurns,
  type PgNow,
  type PolicyNow,
  planningBase,
} from '../../../src/placement/steps.ts'
import { Dice, disk, rows } from './world.ts'

const test = suite('placement: steps')

const WIDTH = 3
const PGS = 64
const POLICY: Policy = { name: 'a', copies: WIDTH, pgs: PGS }
const LIMITS = { perDisk: 2, perPeer: 3, total: 12 }

interface Row {
  members: Id[]
  inSync: Id[]
}

/** The cluster state as far as steps change it. */
class Cluster {
  readonly rows: Row[]
  disks: TopologyDisk[]

  constructor(disks: TopologyDisk[]) {
    this.disks = disks
    const { table } = planTables({ disks }, [POLICY]).policies[0]
    this.rows = rows(table).map(members => ({ members, inSync: members.slice() }))
  }

  now(): PgNow[] {
    return this.rows.map((row, index) => ({ index, members: row.members, in_sync: row.inSync }))
  }

  /** Plans from where it is. */
  target(): PolicyNow {
    const base = planningBase({ name: 'a', pgs: this.now() }, PGS, WIDTH)
    const { table } = planTables({ disks: this.disks }, [POLICY], [base]).policies[0]
    return { name: 'a', pgs: this.now(), target: table }
  }

  /** Commits a batch as the cluster state does, and checks what must never happen. */
  commit(policy: PolicyNow, limits = LIMITS): number {
    const batch = nextBatch([policy], { disks: this.disks }, limits)
    for (const { index, members, leaving } of batch.changes) {
      const row = this.rows[index]
      const list = [...members, ...leaving]
      const kept = row.inSync.filter(id => list.includes(id))
      const least = Math.min(WIDTH, row.inSync.length)
      assert.ok(kept.length >= least, `pg ${index} is left with ${kept}`)
      row.members = list
      row.inSync = row.inSync.filter(id => list.includes(id))
      assert.ok(row.inSync.length > 0)
    }
    return batch.changes.length
  }

  filling(): Id[] {
    return this.rows.flatMap(row => row.members.filter(id => !row.inSync.includes(id)))
  }

  /** One member that is being filled, of some PG, is full. */
  finishOne(dice: Dice): void {
    const open = this.rows.filter(row => row.members.length > row.inSync.length)
    const row = dice.pick(open)
    row.inSync.push(dice.pick(row.members.filter(id => !row.inSync.includes(id))))
  }
}

function peers(count: number): TopologyDisk[] {
  return Array.from({ length: count * 2 }, (_, i) => disk(0, 0, i >> 1, i & 1, 4))
}

/** What came back with its disk is finished, beyond the limits: `before`, what was filling already. */
function checkLimits(cluster: Cluster, before: Id[] = []): void {
  const filling = inPlace(cluster)
  assert.ok(filling.length <= Math.max(LIMITS.total, before.length))
  const peerOf = new Map(cluster.disks.map(one => [one.id, one.peer]))
  const of = (list: unknown[], one: unknown) => list.filter(other => other === one).length
  const peersOf = (list: Id[]) => list.map(id => peerOf.get(id))
  for (const id of filling) assert.ok(of(filling, id) <= Math.max(LIMITS.perDisk, of(before, id)))
  for (const peer of peersOf(filling)) {
    const most = Math.max(LIMITS.perPeer, of(peersOf(before), peer))
    assert.ok(of(peersOf(filling), peer) <= most)
  }
}

/** On a disk that is out nothing is filled, whatever the rows say yet. */
function inPlace(cluster: Cluster): Id[] {
  const out = cluster.disks.filter(one => one.state === 'out').map(one => one.id)
  return cluster.filling().filter(id => !out.includes(id))
}

/** Runs until nothing is left to do; returns the members that were filled. */
function settle(cluster: Cluster, dice: Dice): number {
  const target = cluster.target().target
  let filled = 0
  for (let round = 0; round < 5000; round++) {
    const before = inPlace(cluster)
    const changed = cluster.commit({ name: 'a', pgs: cluster.now(), target })
    checkLimits(cluster, before)
    if (cluster.filling().length > 0) {
      cluster.finishOne(dice)
      filled++
    } else if (changed === 0) {
      assert.ok(
        JSON.stringify(cluster.rows.map(row => row.members)) === JSON.stringify(rows(target)),
      )
      return filled
    }
  }
  return assert.unreachable('it never comes to rest') as never
}

test('a drain in small steps: within the limits, nobody leaves early, the target is reached', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dice = new Dice(seed)
    const cluster = new Cluster(peers(6))
    const held = cluster.rows.filter(row => row.members.some(id => String(id).startsWith('z0r0p2')))
    cluster.disks = cluster.disks.map(one =>
      one.peer === 'z0r0p2' ? { ...one, state: 'draining' } : one,
    )
    assert.is(settle(cluster, dice), held.length)
  }
})

test('changes midway: it plans from where it is and still comes to rest', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const dice = new Dice(seed)
    const cluster = new Cluster(peers(6))
    for (let change = 0; change < 6; change++) {
      const peer = `z0r0p${dice.below(6)}`
      const state = dice.pick(['in', 'draining', 'out'] as const)
      cluster.disks = cluster.disks.map(one => (one.peer === peer ? { ...one, state } : one))
      if (cluster.disks.filter(one => (one.state ?? 'in') === 'in').length < 6) {
        cluster.disks = cluster.disks.map(one => ({ ...one, state: 'in' }))
      }
      for (let step = dice.below(8); step > 0; step--) {
        const before = inPlace(cluster)
        cluster.commit(cluster.target())
        checkLimits(cluster, before)
        if (cluster.filling().length > 0) cluster.finishOne(dice)
      }
    }
    settle(cluster, dice)
  }
})

test('a peer that is gone for good, all of whose copies are out of sync already', () => {
  const cluster = new Cluster(peers(6))
  const isGone = (id: Id) => String(id).startsWith('z0r0p2')
  cluster.disks = cluster.disks.map(one => (isGone(one.id) ? { ...one, state: 'out' } : one))
  for (const row of cluster.rows) row.inSync = row.inSync.filter(id => !isGone(id))
  const lost = cluster.filling().length
  assert.ok(lost > LIMITS.total, 'more of them than may be filled at once')
  const target = cluster.target()
  cluster.commit(target)
  checkLimits(cluster)
  assert.is(cluster.filling().filter(id => !isGone(id)).length, LIMITS.total)
})

test('a drain that is taken back before it began moves nothing', () => {
  const cluster = new Cluster(peers(5))
  const holders = () => cluster.rows.map(row => row.members.slice().sort())
  const before = holders()
  const paused = { perDisk: 0, perPeer: 0, total: 0 }
  const [first] = cluster.disks
  cluster.disks[0] = { ...first, state: 'draining' }
  cluster.commit(cluster.target(), paused)
  cluster.disks[0] = first
  assert.is(settle(cluster, new Dice(1)), 0)
  assert.ok(JSON.stringify(holders()) === JSON.stringify(before))
})

test('in turns it is the same batch, and others have their turn', async () => {
  const pgs = 32_768
  const disks = peers(8)
  const policy: Policy = { name: 'a', copies: WIDTH, pgs }
  const full = rows(planTables({ disks }, [policy]).policies[0].table)
  const now = full.map((members, index) => ({ index, members, in_sync: members }))
  const changed = disks.map((one, i) => (i === 0 ? { ...one, state: 'draining' as const } : one))
  const base = planningBase({ name: 'a', pgs: now }, pgs, WIDTH)
  const { table } = planTables({ disks: changed }, [policy], [base]).policies[0]
  const all = [{ name: 'a', pgs: now, target: table }]
  let turns = 0
  const count = () => {
    turns++
    immediate = setImmediate(count)
  }
  let immediate = setImmediate(count)
  const found = await nextBatchInTurns(all, { disks: changed }, LIMITS)
  clearImmediate(immediate)
  assert.equal(found, nextBatch(all, { disks: changed }, LIMITS))
  assert.ok(turns >= pgs / 8192 - 1, `${turns} turns`)
})

test('most endangered first', () => {
  const cluster = new Cluster(peers(6))
  cluster.disks = cluster.disks.map(one => (one.peer === 'z0r0p0' ? { ...one, state: 'out' } : one))
  const hit = cluster.rows.filter(row => row.members.some(id => String(id).startsWith('z0r0p0')))
  assert.ok(hit.length > 6)
  for (const row of hit.slice(0, 3)) row.inSync = row.inSync.slice(0, 1)
  for (const row of hit.slice(0, 3))
    row.members = row.inSync.concat(row.members.filter(id => id !== row.inSync[0]))
  const policy = cluster.target()
  const batch = nextBatch([policy], { disks: cluster.disks }, { perDisk: 9, perPeer: 9, total: 6 })
  const fewest = batch.changes.map(({ index }) => policy.pgs[index].in_sync.length)
  assert.equal(fewest.slice().sort(), fewest, 'in the order of copies left')
})

test('a paused cluster begins nothing, but lets go of what is done', () => {
  const cluster = new Cluster(peers(5))
  const dice = new Dice(2)
  cluster.disks = cluster.disks.map((one, i) => (i === 0 ? { ...one, state: 'draining' } : one))
  const { target } = cluster.target()
  cluster.commit({ name: 'a', pgs: cluster.now(), target })
  const paused = { perDisk: 0, perPeer: 0, total: 0 }
  const begun = cluster.filling().length
  assert.ok(begun > 0)
  while (cluster.filling().length > 0) {
    cluster.finishOne(dice)
    cluster.commit({ name: 'a', pgs: cluster.now(), target }, paused)
  }
  assert.ok(cluster.rows.every(row => row.members.length === WIDTH))
})

test('rows that move whole give a copy back for each that is made', () => {
  const cluster = new Cluster(peers(10))
  cluster.disks = cluster.disks.map((one, i) => (i < 10 ? { ...one, state: 'draining' } : one))
  const whole = cluster.rows.filter(row => row.members.every(id => /p[0-4]d/.test(String(id))))
  assert.ok(whole.length > 0, 'no row is on the drained peers alone')
  const { target } = cluster.target()
  const dice = new Dice(4)
  const everything = { perDisk: 99, perPeer: 99, total: 999 }
  for (let round = 0; round < 999; round++) {
    cluster.commit({ name: 'a', pgs: cluster.now(), target }, everything)
    for (const row of cluster.rows) assert.is(row.inSync.length, WIDTH)
    if (cluster.filling().length === 0) return
    cluster.finishOne(dice)
  }
  assert.unreachable('it never comes to rest')
})

test('who shares a place with another copy leaves first, who is out before all', () => {
  const place = (id: string, rack: string, state: TopologyDisk['state'] = 'in') =>
    [id, { id, peer: `p${id}`, rack, state }] as const
  const places = new Map<Id, TopologyDisk>([
    place('a', 'r1'),
    place('x', 'r2', 'draining'),
    place('y', 'r1'),
    place('z', 'r3', 'out'),
  ])
  assert.equal(chooseLeaving(['x', 'y', 'z'], ['a'], 2, places), ['x', 'y'])
  assert.equal(chooseLeaving(['x', 'y', 'z'], ['a'], 1, places), ['x'])
  assert.equal(chooseLeaving(['x', 'y', 'gone'], [], 2, places), ['x', 'y'])
  assert.equal(chooseLeaving(['x'], [], 2, places), ['x'])
})

test('limits that are no numbers are refused', () => {
  const cluster = new Cluster(peers(4))
  const policy = cluster.target()
  const topology = { disks: cluster.disks }
  for (const total of [Number.NaN, -1, 0.5]) {
    assert.throws(() => nextBatch([policy], topology, { ...LIMITS, total }), /total/)
  }
})

test('a disk that left the topology before its rows were changed does not stop the rest', () => {
  const cluster = new Cluster(peers(5))
  const dice = new Dice(3)
  cluster.disks = cluster.disks.slice(1)
  assert.ok(settle(cluster, dice) > 0)
})

test.run()
