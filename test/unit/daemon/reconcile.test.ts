import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { planInput, policiesNow, topologyOf } from '../../../src/cluster/table-plan.ts'
import { unusedDisks } from '../../../src/cluster/unused-disks.ts'
import { decide as decideFrom, type Limits } from '../../../src/daemon/reconcile/decide.ts'
import { planJoins } from '../../../src/daemon/reconcile/joins.ts'
import { Sessions } from '../../../src/daemon/reconcile/sessions.ts'
import type { SessionView } from '../../../src/daemon/reconcile/standing.ts'
import { stepsOf } from '../../../src/daemon/reconcile/tables.ts'
import type { Command } from '../../../src/data/command.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { nextBatch, plan } from '../../../src/placement/index.ts'
import { absenceTimes } from '../../helpers/absence-times.ts'
import { addDisk, addPeer, makePg, threePeers } from '../../helpers/cluster-fixture.ts'

const reconcile = suite('reconcile')
const limits: Limits = { joinsMax: 2, holdBackMsMax: 120_000, rowsMax: 100 }
const allLive = [1, 2, 3].map(peer => ({ peer, isLive: true }))

/** Planned anew at every look, from where the data is. */
function decide(
  known: { state: ClusterState; sessions: SessionView[]; nowMs?: number },
  bounds: Limits,
) {
  const nowMs = known.nowMs ?? known.state.time_ms
  const { state } = known
  const now = policiesNow(state, plan(planInput(state)))
  const batch = nextBatch(now, topologyOf(state), stepsOf(state))
  const absences = absenceTimes(state, nowMs)
  return decideFrom({ ...known, nowMs, absences, batch, usedBytes: null }, bounds)
}

/** A table that placement is content with, so that only the matter of the test is left to do. */
function settled(change: (state: ClusterState) => void = () => undefined): ClusterState {
  const state = threePeers()
  state.policies[0]!.pgs = []
  applyTables(state, decide({ state, sessions: allLive }, limits))
  change(state)
  return state
}

function applyTables(state: ClusterState, commands: Command[]): void {
  for (const command of commands) {
    if (command.type !== 'set_pg_table') continue
    const policy = state.policies.find(one => one.id === command.policy)!
    for (const row of command.changes) {
      const known = policy.pgs.find(pg => pg.index === row.index)
      const members = [...row.members, ...row.leaving]
      const in_sync = known ? known.in_sync.filter(disk => members.includes(disk)) : members
      policy.pgs = policy.pgs.filter(pg => pg.index !== row.index)
      policy.pgs.push({ ...makePg(row.index, members, in_sync), epoch: (known?.epoch ?? 0) + 1 })
    }
    policy.pgs.sort((a, b) => a.index - b.index)
  }
}

reconcile('a policy without a table gets one, and then there is nothing to do', () => {
  const state = settled()
  assert.is(state.policies[0]!.pgs.length, 4)
  for (const pg of state.policies[0]!.pgs) assert.is(new Set(pg.members).size, 3)
  assert.equal(decide({ state, sessions: allLive }, limits), [])
})

reconcile('who does not lead proposes nothing', () => {
  const state = settled(one => {
    one.is_leader = false
    one.policies[0]!.pgs[0]!.in_sync = [1]
  })
  assert.equal(decide({ state, sessions: allLive }, limits), [])
})

reconcile('a lapsed peer is marked down, and nothing else follows in the same look', () => {
  const state = settled()
  const sessions = allLive.map(one => ({ ...one, isLive: one.peer !== 3 }))
  const commands = decide({ state, sessions }, limits)
  assert.equal(
    commands.map(command => command.type),
    ['update_peer', 'record_event'],
  )
  state.peers[2]!.state = 'down'
  assert.equal(decide({ state, sessions }, limits), [])
  const back = decide({ state, sessions: allLive }, limits)[0]
  assert.is(back?.type === 'update_peer' && back.state, 'in')
})

reconcile('a peer that was taken out is not marked up again', () => {
  const state = settled(one => {
    one.peers[2]!.state = 'out'
  })
  const commands = decide({ state, sessions: allLive }, limits)
  assert.not(commands.some(command => command.type === 'update_peer'))
})

reconcile('members out of sync join, the most endangered first, no more than allowed', () => {
  const state = settled(one => {
    const [a, b, c] = one.policies[0]!.pgs
    a!.in_sync = a!.members.slice(0, 2)
    b!.in_sync = b!.members.slice(0, 1)
    c!.in_sync = c!.members.slice(0, 2)
  })
  const commands = decide({ state, sessions: allLive }, limits)
  assert.is(commands.length, 1)
  const join = commands[0]!
  assert.ok(join.type === 'pg_join')
  assert.equal(
    join.items.map(item => item.pg.index),
    [1, 0],
  )
  const pg = state.policies[0]!.pgs[1]!
  assert.is(join.items[0]!.disk, pg.members[1])
  assert.is(join.items[0]!.expected, pg.epoch)
})

reconcile('joins that run count, and one member of a group joins at a time', () => {
  const state = settled(one => {
    for (const pg of one.policies[0]!.pgs) pg.in_sync = pg.members.slice(0, 1)
    const pg = one.policies[0]!.pgs[0]!
    pg.joining = { disk: pg.members[1]!, join_at: 2 }
  })
  const commands = decide({ state, sessions: allLive }, limits)
  assert.ok(commands[0]?.type === 'pg_join')
  assert.is(commands[0].items.length, 1)
  assert.is(commands[0].items[0]!.pg.index, 1)
})

reconcile('a member whose peer is away does not join, nor without a source', () => {
  const state = settled(one => {
    for (const pg of one.policies[0]!.pgs) pg.in_sync = [1, 2]
    one.peers[2]!.state = 'down'
  })
  const sessions = allLive.map(one => ({ ...one, isLive: one.peer !== 3 }))
  assert.equal(decide({ state, sessions }, limits), [])
  state.peers[2]!.state = 'in'
  state.peers[0]!.state = 'down'
  state.peers[1]!.state = 'down'
  const onlyThird = [1, 2, 3].map(peer => ({ peer, isLive: peer === 3 }))
  assert.equal(decide({ state, sessions: onlyThird }, limits), [])
})

reconcile('a disk that goes out is left step by step, and then unused', () => {
  const state = settled(one => {
    addDisk(one, addPeer(one, 'p4'))
    one.disks[2]!.state = 'out'
  })
  const sessions = [1, 2, 3, 4].map(peer => ({ peer, isLive: true }))
  const seen = new Set<string>()
  for (let round = 0; round < 100; round++) {
    const commands = decide({ state, sessions }, limits)
    if (commands.length === 0) break
    for (const command of commands) {
      seen.add(command.type)
      applyTables(state, [command])
      if (command.type === 'pg_join') finishJoins(state, command)
      if (command.type === 'remove_disk')
        state.disks = state.disks.filter(disk => disk.id !== command.disk)
    }
    for (const pg of state.policies[0]!.pgs)
      assert.ok(pg.in_sync.length >= 3, 'a copy was given up')
  }
  assert.equal([...seen].sort(), ['pg_join', 'set_pg_table'])
  // Its own peer lets it go; were that away, the leader would.
  assert.equal(
    unusedDisks(state).map(disk => disk.id),
    [3],
  )
  const without = sessions.map(one => ({ ...one, isLive: one.peer !== 3 }))
  state.peers[2]!.state = 'down'
  assert.equal(decide({ state, sessions: without }, limits), [{ type: 'remove_disk', disk: 3 }])
  for (const pg of state.policies[0]!.pgs) assert.equal([...pg.members].sort(), [1, 2, 4])
})

/** Half done: the joiner is not in sync yet. */
function finishJoins(state: ClusterState, command: Command, isRunning = false): void {
  if (command.type !== 'pg_join') return
  for (const item of command.items) {
    const pg = state.policies[0]!.pgs.find(one => one.index === item.pg.index)!
    assert.is(item.expected, pg.epoch)
    if (isRunning) {
      pg.joining = { disk: item.disk, join_at: ++pg.epoch }
      continue
    }
    pg.in_sync = pg.members.filter(disk => pg.in_sync.includes(disk) || disk === item.disk)
    pg.epoch++
  }
}

reconcile('a dead disk that is out is evicted where another copy is in sync', () => {
  const state = settled(one => {
    addDisk(one, addPeer(one, 'p4'))
    one.disks[2]!.state = 'out'
    one.peers[2]!.state = 'down'
  })
  const sessions = [1, 2, 3, 4].map(peer => ({ peer, isLive: peer !== 3 }))
  applyTables(state, decide({ state, sessions }, limits))
  const commands = decide({ state, sessions }, limits)
  assert.equal(commands[0], {
    type: 'pg_remove',
    target: { disk: 3 },
    reason: 'ordered',
    only: null,
  })
  for (const pg of state.policies[0]!.pgs) pg.in_sync = [3]
  assert.not(decide({ state, sessions }, limits).some(one => one.type === 'pg_remove'))
})

reconcile('with no successor a disk that is out is dropped, and the rest is kept', () => {
  const state = settled(one => {
    one.disks[2]!.state = 'out'
  })
  applyTables(state, decide({ state, sessions: allLive }, limits))
  for (const pg of state.policies[0]!.pgs) assert.equal([...pg.members].sort(), [1, 2])
  assert.equal(
    unusedDisks(state).map(disk => disk.id),
    [3],
  )
})

reconcile('a peer that is out goes last, never while it votes or holds a volume', () => {
  const state = settled(one => {
    addPeer(one, 'p4')
    one.peers[3]!.state = 'out'
  })
  assert.equal(decide({ state, sessions: allLive }, limits), [{ type: 'remove_peer', peer: 4 }])
  state.voters = [1, 4]
  assert.equal(decide({ state, sessions: allLive }, limits), [])
})

reconcile('a peer is away only when it stays without a session', () => {
  const sessions = new Sessions()
  const seen = (state: 'live' | 'gone' | 'lapsed') => sessions.look([{ peer: 2, state }])[0]!.isLive
  const looks = ['lapsed', 'live', 'lapsed', 'lapsed', 'lapsed', 'live'] as const
  assert.equal(looks.map(seen), [true, true, true, false, false, true])
  assert.not(seen('gone'), 'whom the leader looked for and did not find is away at once')
  assert.ok(seen('live'))
})

reconcile('no more groups move at once than allowed', () => {
  const state = settled(one => {
    addDisk(one, addPeer(one, 'p4'))
    one.disks[2]!.state = 'draining'
  })
  const sessions = [1, 2, 3, 4].map(peer => ({ peer, isLive: true }))
  state.movement.total = 1
  const [command, join] = decide({ state, sessions }, limits)
  assert.ok(command?.type === 'set_pg_table')
  assert.is(command.changes.length, 1)
  // The same look begins the join, under the epoch that the new row makes.
  assert.ok(join?.type === 'pg_join')
  assert.is(join.items[0]!.expected, 2)
  assert.is(join.items[0]!.disk, 4)
  applyTables(state, [command])
  finishJoins(state, join, true)
  const next = decide({ state, sessions }, limits)
  assert.not(next.some(one => one.type === 'set_pg_table'))
})

reconcile('paused, nothing begins to move, what lacks copies is helped, and what runs ends', () => {
  const state = settled(one => {
    addDisk(one, addPeer(one, 'p4'))
    one.disks[2]!.state = 'draining'
  })
  const sessions = [1, 2, 3, 4].map(peer => ({ peer, isLive: true }))
  state.movement.paused = true
  assert.equal(decide({ state, sessions }, limits), [])
  state.movement.paused = false
  state.movement.total = 1
  const [begun, join] = decide({ state, sessions }, limits)
  assert.ok(begun?.type === 'set_pg_table' && join?.type === 'pg_join')
  applyTables(state, [begun])
  state.movement.paused = true
  assert.equal(
    decide({ state, sessions }, limits).map(one => one.type),
    ['pg_join'],
  )
  finishJoins(state, join)
  const [end] = decide({ state, sessions }, limits)
  assert.ok(end?.type === 'set_pg_table')
  assert.equal(end.changes[0]!.leaving, [])
  applyTables(state, [end])
  assert.equal(decide({ state, sessions }, limits), [])
  const short = state.policies[0]!.pgs.find(pg => pg.members.includes(3))!
  short.in_sync = short.in_sync.filter(disk => disk !== 3)
  const [help] = decide({ state, sessions }, limits)
  assert.ok(help?.type === 'set_pg_table')
  assert.equal(
    help.changes.map(row => row.index),
    [short.index],
  )
})

reconcile('a disk that drains with no other place for its data keeps it', () => {
  const state = settled(one => {
    one.disks[2]!.state = 'draining'
  })
  for (let look = 0; look < 4; look++)
    applyTables(state, decide({ state, sessions: allLive }, limits))
  for (const pg of state.policies[0]!.pgs) assert.equal([...pg.in_sync].sort(), [1, 2, 3])
  assert.equal(decide({ state, sessions: allLive }, limits), [])
})

reconcile('a peer that is down holds no other move up, and nothing is moved onto it', () => {
  const state = settled(one => {
    for (const name of ['p4', 'p5']) addDisk(one, addPeer(one, name))
    one.peers[3]!.state = 'down'
    one.disks[2]!.state = 'draining'
    Object.assign(one.movement, { paused: false, per_disk: 9, per_peer: 9, total: 4 })
    for (const pg of one.policies[0]!.pgs) pg.in_sync = pg.in_sync.filter(disk => disk !== 1)
    one.peers[0]!.state = 'down'
  })
  const sessions = [1, 2, 3, 4, 5].map(peer => ({ peer, isLive: peer !== 4 && peer !== 1 }))
  const [command] = decide({ state, sessions }, limits)
  assert.ok(command?.type === 'set_pg_table')
  assert.ok(command.changes.length > 0)
  for (const row of command.changes) {
    const before = state.policies[0]!.pgs.find(pg => pg.index === row.index)!.members
    const come = row.members.filter(disk => !before.includes(disk))
    assert.equal(
      come.filter(disk => disk !== 5),
      [],
    )
  }
})

reconcile('without a plan the rest goes on', () => {
  const state = settled(one => {
    const pg = one.policies[0]!.pgs[0]!
    pg.in_sync = pg.members.slice(0, 2)
  })
  const commands = decideFrom(
    {
      state,
      sessions: allLive,
      batch: null,
      nowMs: 0,
      absences: absenceTimes(state, 0),
      usedBytes: null,
    },
    limits,
  )
  assert.equal(
    commands.map(one => one.type),
    ['pg_join'],
  )
})

reconcile('no member joins a group that has as many as a head writes to', () => {
  const state = settled(one => {
    for (let n = 4; n <= 9; n++) addDisk(one, addPeer(one, `p${n}`))
    const pg = one.policies[0]!.pgs[0]!
    pg.members = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    pg.in_sync = [1, 2, 3, 4, 5, 6, 7, 8]
  })
  const sessions = state.peers.map(({ id }) => ({ peer: id, isLive: true }))
  const known = {
    state,
    sessions,
    batch: null,
    nowMs: 0,
    absences: absenceTimes(state, 0),
    usedBytes: null,
  }
  assert.equal(decideFrom(known, limits), [])
})

reconcile('joins are bounded by disk and by peer', () => {
  const state = settled(one => {
    for (const pg of one.policies[0]!.pgs) pg.in_sync = pg.in_sync.filter(disk => disk !== 3)
  })
  const items = () => {
    const [join] = decide({ state, sessions: allLive }, { ...limits, joinsMax: 9 })
    assert.ok(join?.type === 'pg_join')
    return join.items.length
  }
  Object.assign(state.movement, { paused: false, per_disk: 3, per_peer: 9, total: 9 })
  assert.is(items(), 3)
  Object.assign(state.movement, { paused: false, per_disk: 3, per_peer: 2, total: 9 })
  assert.is(items(), 2)
  Object.assign(state.movement, { paused: true, per_disk: 0, per_peer: 0, total: 0 })
  assert.is(items(), 1)
})

reconcile('who was lost again and again waits, unless a group cannot do without', () => {
  const state = settled(one => {
    for (const pg of one.policies[0]!.pgs) pg.in_sync = [1, 2]
    one.policies[0]!.pgs[3]!.in_sync = [1]
    const event = { severity: 'warn' as const, code: 'member_removed', subject: 'peer 3' }
    for (const id of [1, 2, 3]) {
      const time_ms = one.time_ms - 30_000 + id * 10_000
      one.events.push({ ...event, id, time_ms, message: 'the leader cannot reach it' })
    }
  })
  state.policies[0]!.pgs[3]!.members = [1, 3, 2]
  const joins = (nowMs: number) =>
    joinsOf(decide({ state, sessions: allLive, nowMs }, { ...limits, joinsMax: 9 }))
  assert.equal(joins(state.time_ms), [[3, 3]], 'one copy is no place to wait')
  assert.is(joins(state.time_ms + 5_000).length, 4)
})

reconcile(
  'a disk without room is tried again later and later; the others of its group meanwhile',
  () => {
    const state = settled(one => {
      for (const pg of one.policies[0]!.pgs) pg.in_sync = [1, 2]
    })
    const joins = (nowMs: number) => joinsOf(decide({ state, sessions: allLive, nowMs }, limits))
    const waits: number[] = []
    let nowMs = state.time_ms
    for (let id = 1; id <= 8; id++) {
      assert.equal(joins(nowMs)[0], [0, 3])
      const event = { id, severity: 'warn' as const, code: 'join_without_room', subject: 'disk:3' }
      state.events.push({ ...event, time_ms: nowMs, message: 'no room' })
      const failedMs = nowMs
      while (joins(nowMs).length === 0) nowMs += 1_000
      waits.push((nowMs - failedMs) / 1_000)
    }
    assert.equal(waits.slice(0, 6), [5, 10, 20, 40, 80, 120])
    assert.ok(waits.every((wait, at) => at < 4 || wait >= 80))
    // A group that lacks copies is not helped by a disk without room, but by another member.
    state.policies[0]!.pgs = [makePg(0, [3, 1, 2], [1])]
    const held = { withoutRoom: new Set([3]), flapping: new Set([2]) }
    assert.equal(joinsOf(planJoins(state, new Set([1, 2, 3]), held, limits)), [[0, 2]])
  },
)

/** Group and disk of each. */
function joinsOf(commands: Command[]): number[][] {
  return commands.flatMap(command =>
    command.type === 'pg_join' ? command.items.map(item => [item.pg.index, item.disk]) : [],
  )
}

reconcile.run()
