import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unusedDisks } from '../../../src/cluster/unused-disks.ts'
import { decide, type Limits } from '../../../src/daemon/reconcile/decide.ts'
import { Sessions } from '../../../src/daemon/reconcile/sessions.ts'
import type { Command } from '../../../src/data/command.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { addDisk, addPeer, makePg, threePeers } from '../../helpers/cluster-fixture.ts'

const reconcile = suite('reconcile')
const limits: Limits = { joinsMax: 2, rowsMax: 100, movesMax: 100 }
const allLive = [1, 2, 3].map(peer => ({ peer, isLive: true }))

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

function finishJoins(state: ClusterState, command: Command): void {
  if (command.type !== 'pg_join') return
  for (const item of command.items) {
    const pg = state.policies[0]!.pgs.find(one => one.index === item.pg.index)!
    assert.is(item.expected, pg.epoch)
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
  const seen = (isLive: boolean) => sessions.look([{ peer: 2, isLive }])[0]!.isLive
  assert.equal(
    [seen(false), seen(true), seen(false), seen(false), seen(false), seen(true)],
    [true, true, true, false, false, true],
  )
})

reconcile('no more groups move at once than allowed', () => {
  const state = settled(one => {
    addDisk(one, addPeer(one, 'p4'))
    one.disks[2]!.state = 'draining'
  })
  const sessions = [1, 2, 3, 4].map(peer => ({ peer, isLive: true }))
  const [command] = decide({ state, sessions }, { ...limits, movesMax: 1 })
  assert.ok(command?.type === 'set_pg_table')
  assert.is(command.changes.length, 1)
  applyTables(state, [command])
  const next = decide({ state, sessions }, { ...limits, movesMax: 1 })
  assert.not(next.some(one => one.type === 'set_pg_table'))
})

reconcile.run()
