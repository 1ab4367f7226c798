import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Fullness, fullnessOf } from '../../../src/cluster/space.ts'
import { clusterStatus, joinTasks, type StatusInput } from '../../../src/cluster/status.ts'
import { safety, votersView } from '../../../src/cluster/voters.ts'
import type { ClusterState } from '../../../src/data/state.ts'

import { addDisk, addPeer, makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'

const status = suite('status')

function of(change: (state: ClusterState) => void, more: Partial<StatusInput> = {}) {
  const state = threePeers()
  state.volumes.push(makeVolume(1, 'db'))
  change(state)
  const data = { stores: [], heads: [], sessions: null, joins: [], budget: {} }
  const usedBytes = new Map([
    [1, 100],
    [99, 1],
  ])
  return clusterStatus({
    ...{ state, usedBytes, tasks: [], scrubs: [], movement: [], data },
    presenceOf: () => undefined,
    writeUs: new Map(),
    fullness: new Map(),
    storeStates: new Map(),
    held: [],
    self: null,
    ...more,
  })
}

status('all is well', () => {
  const found = of(() => undefined)
  assert.is(found.health, 'ok')
  assert.equal(found.reasons, [])
  assert.equal(found.volumes, { total: 1, degraded: 0, blocked: 0 })
  assert.equal(found.capacity, { total: 3 * 2 ** 31, used: 100 })
})

status('without voters to decide, I/O waits for the silent copies that count', () => {
  const silent = (...ids: number[]): Partial<StatusInput> => ({
    presenceOf: id => (ids.includes(id) ? 'suspect' : 'up'),
  })
  const cut = (state: ClusterState) => {
    state.reachable = false
  }
  const found = of(cut, silent(2, 3))
  const waits = found.reasons.find(reason => reason.code === 'io_waits')
  assert.match(waits?.message ?? '', '1 volume of policy default: reads and writes wait for p2, p3')
  assert.is(waits?.next, 'start shoal on p2, p3')
  assert.equal(found.volumes, { total: 1, degraded: 0, blocked: 1 })
  assert.is(of(cut, silent()).volumes.blocked, 0, 'voters without copies are not missed')
  assert.is(of(() => undefined, silent(2)).volumes.blocked, 0, 'somebody decides')
  const out = (state: ClusterState) => {
    cut(state)
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [1]
  }
  assert.not(of(out, silent(2, 3)).reasons.some(reason => reason.code === 'io_waits'))
})

status('a peer that was removed says so, and advises nobody to recover', () => {
  const codes = (self: number, change: (state: ClusterState) => void) =>
    of(change, { self }).reasons.map(reason => reason.code)
  const gone = (state: ClusterState) => {
    state.reachable = false
    state.peers[2]!.state = 'out'
  }
  assert.ok(codes(3, gone).includes('not_a_member'))
  assert.not(codes(3, gone).includes('no_leader'))
  assert.ok(codes(9, gone).includes('not_a_member'), 'forgotten meanwhile')
  assert.ok(codes(1, gone).includes('no_leader'))
  assert.not(codes(9, () => undefined).includes('not_a_member'), 'it joins just now')
})

status('a disk that writes much slower than its class is named, and can be given less', () => {
  const times = (...us: number[]) => ({
    writeUs: new Map(us.map((one, at) => [at + 1, one] as [number, number])),
  })
  const four = (state: ClusterState) => void addDisk(state, 1)
  assert.is(of(four, times(300, 400, 350, 1_300)).health, 'ok')
  const found = of(four, times(300, 400, 350, 9_000))
  assert.is(found.health, 'warn')
  assert.is(found.reasons[0]!.code, 'disk_slower_than_class')
  assert.match(found.reasons[0]!.message, 'disk 4 (/srv/disk4) is slow: 9000 us per write, 350 us')
  assert.match(
    found.reasons[0]!.next,
    'shoal disk set 4 --weight 1; or let it be left: shoal disk drain 4',
  )
  assert.is(of(() => undefined, times(300, 400, 9_000)).health, 'ok', 'three have no median')
})

status('a disk that is counted on and not open warns, with the reason', () => {
  const codes = (more: Partial<StatusInput>, change: (state: ClusterState) => void = () => {}) =>
    of(change, more).reasons.map(reason => `${reason.code}: ${reason.message}`)
  const told = (state: string) => ({ storeStates: new Map([[2, state]]) })
  assert.equal(codes(told('open')), [])
  assert.equal(codes(told('unfit')), [], 'its groups are shown as degraded')
  const opening = 'disk_not_open: disk 2 (/srv/disk2) of p2 is being opened'
  assert.match(codes(told('opening'))[0]!, opening)
  assert.match(codes(told('failed'))[0]!, 'is not served: its store is failed')
  assert.match(codes({ self: 2 })[0]!, 'its store is missing', 'a peer knows its own')
  const down = (state: ClusterState) => {
    state.disks[1]!.state = 'down'
  }
  assert.not.match(`${codes(told('failed'), down)}`, 'disk_not_open', 'said once')
})

status('a disk that takes no new data is named, whoever is asked, with what is full', () => {
  const told = (full: Fullness, change = (_: ClusterState) => {}) =>
    of(change, { fullness: new Map([[2, full]]) })
  assert.is(told('no').health, 'ok')
  const full = told('data')
  assert.is(full.health, 'warn')
  assert.match(full.reasons[0]!.message, 'disk 2 (/srv/disk2) is full: writes of new blocks')
  const tables = told('tables').reasons
  assert.equal(
    tables.map(reason => reason.code),
    ['disk_tables_full'],
  )
  const away = told('data', state => {
    state.disks[1]!.state = 'out'
  })
  assert.not.match(JSON.stringify(away.reasons), 'disk_full', 'what it was does not count')
})

status('scrubs of all peers are tasks, with who asked for them', () => {
  const scrub = (disk: number, order: number) => ({ disk, order, done: 8, total: 32, eta_s: 60 })
  const scrubs = [scrub(3, 2 ** 48 + 1), scrub(1, 0), scrub(2, 9)]
  const asked = (state: ClusterState) => {
    state.volumes.push(makeVolume(7, 'db', 1))
    const event = { id: 9, time_ms: 1, severity: 'info' as const, code: 'scrub_asked' }
    state.events.push({ ...event, message: '', subject: 'volume:7' })
  }
  const { health, tasks } = of(asked, { scrubs })
  assert.is(health, 'ok')
  assert.equal(
    tasks.map(task => task.message),
    [
      'disk 1 on p1, by itself',
      'disk 2 on p2, copies of volume db',
      'disk 3 on p3, as a check of it asked',
    ],
  )
  const { id, unit, done, total, eta_seconds } = tasks[1]!
  assert.equal([id, unit, done, total, eta_seconds], ['scrub-disk-2', 'bytes', 8, 32, 60])
  const away = of(
    state => {
      state.peers[1]!.state = 'down'
    },
    { scrubs },
  )
  assert.equal(
    away.tasks.map(task => task.id),
    ['scrub-disk-1', 'scrub-disk-3'],
  )
})

status('what a store says of its room', () => {
  const store = (stats: Record<string, number>) =>
    fullnessOf({ disk_id: 1, path: '/srv/disk1', state: 'open', scrub: null, stats })
  assert.is(store({}), 'no', 'a store that told nothing')
  assert.is(store({ writable_bytes: 4096, tables_full: 0 }), 'no')
  assert.is(store({ writable_bytes: 0, tables_full: 0 }), 'data')
  assert.is(store({ writable_bytes: 0, tables_full: 1 }), 'tables')
})

status('a copy that is missing warns and names whom to start', () => {
  const found = of(state => {
    state.peers[2]!.state = 'down'
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [1, 2]
  })
  assert.is(found.health, 'warn')
  assert.equal(
    found.reasons.map(reason => reason.code),
    ['voter_down', 'peer_down', 'degraded'],
  )
  assert.is(found.reasons[2]!.next, 'start shoal on p3')
  assert.equal(found.volumes, { total: 1, degraded: 1, blocked: 0 })
})

status('a peer that went away while nobody wrote: its copies are in sync, and not there', () => {
  const found = of(state => {
    state.peers[2]!.state = 'down'
  })
  const degraded = found.reasons.find(reason => reason.code === 'degraded')
  assert.match(degraded!.message, 'fewer than 3 copies that are there and in sync')
  assert.is(degraded!.next, 'start shoal on p3')
  assert.equal(found.volumes, { total: 1, degraded: 1, blocked: 0 })
  const { reasons, volumes } = of(state => {
    for (const peer of state.peers) peer.state = 'down'
  })
  assert.match(reasons.find(one => one.code === 'writes_blocked')!.message, 'reads of 4 placement')
  assert.equal(volumes, { total: 1, degraded: 0, blocked: 1 })
})

status('as many groups as a policy may have are counted', () => {
  const { volumes } = of(state => {
    const [pg] = state.policies[0]!.pgs
    state.policies[0]!.pgs = Array.from({ length: 262_144 }, (_, index) => ({ ...pg!, index }))
    state.policies[0]!.pgs[262_143]!.in_sync = [1, 2]
  })
  assert.equal(volumes, { total: 1, degraded: 1, blocked: 0 })
})

status('a disk that is down while its peer is up is what has to be seen to', () => {
  const { reasons } = of(state => {
    state.disks[2]!.state = 'down'
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [1, 2]
  })
  const next = (code: string) => reasons.find(reason => reason.code === code)?.next ?? ''
  assert.match(next('disk_down'), /^on p3: shoal disk show 3 says why; .*disk remove 3 --force$/)
  assert.is(next('degraded'), 'see to the disks that are down: 3')
})

status('a peer whose absence was announced is shown with its end', () => {
  const found = of(state => {
    state.peers[2]!.state = 'down'
    state.peers[2]!.maintenance_until_ms = Date.UTC(2026, 0, 2)
  })
  const down = found.reasons.find(reason => reason.code === 'peer_down')
  assert.is(down?.message, 'peer p3 is down: maintenance until 2026-01-02T00:00:00.000Z')
})

status('a peer that was given up: nobody has to start it, and that is said', () => {
  const gone = (state: ClusterState) => {
    state.peers[2]!.state = 'down'
    state.disks[2]!.state = 'out'
    state.given_up = [3]
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [1, 2]
  }
  const [, down, degraded] = of(gone).reasons
  assert.match(
    down!.message,
    'peer p3 is down: gone for so long that its copies are made elsewhere',
  )
  assert.match(down!.next, 'it takes its place again if it comes back; if it is gone for good:')
  assert.is(degraded!.next, 'wait: copies are being made anew on other disks')
  const removed = of(state => {
    gone(state)
    state.peers[2]!.state = 'out'
    state.given_up = []
  })
  const nexts = removed.reasons.map(reason => reason.next)
  assert.not.match(nexts.join(), 'start shoal on p3')
})

status(
  'a disk that has to come back after a restore is an error, its old peer is not named',
  () => {
    const found = of(state => {
      state.peers[2]!.state = 'down'
      state.missing = [3]
    })
    assert.is(found.health, 'error')
    const codes = found.reasons.map(reason => reason.code)
    assert.ok(codes.includes('disk_missing') && !codes.includes('peer_down'))
    assert.match(found.reasons.find(one => one.code === 'disk_missing')!.next, /--existing/)
  },
)

status('a lonely voter among two peers is told, and so is one that forgot its votes', () => {
  const two = of(state => {
    state.peers.pop()
    state.disks.pop()
    state.voters = [1]
  })
  assert.is(two.reasons[0]!.code, 'single_voter')
  assert.match(two.reasons[0]!.message, /^p1 decides alone: .*witness/)
  const forgot = of(state => {
    state.never_vote = [2]
    state.voters = [1]
  })
  assert.equal(
    forgot.reasons.map(reason => reason.code),
    ['voter_lost_log', 'single_voter'],
  )
  assert.is(forgot.health, 'warn')
})

status('without a leader nothing can be changed, and that is an error', () => {
  const found = of(state => {
    state.reachable = false
  })
  assert.is(found.health, 'error')
  assert.is(found.reasons[0]!.code, 'no_leader')
  assert.match(found.reasons[0]!.message, 'p1, p2, p3')
})

status('without a leader nobody else may fail, and voters that are not heard count as away', () => {
  const state = threePeers()
  const presenceOf = (id: number) => (id === 1 ? undefined : ('suspect' as const))
  assert.equal(votersView(state, presenceOf), {
    voters: ['p1', 'p2', 'p3'],
    down: [],
    mayFail: 1,
  })
  state.reachable = false
  assert.equal(votersView(state, presenceOf).down, ['p2', 'p3'])
  assert.is(votersView(state, presenceOf).mayFail, 0)
  assert.is(
    safety(state, presenceOf),
    'fewer than half of the voters p1, p2, p3 can be reached from here (nothing is heard of p2, ' +
      'p3): nothing can be changed; I/O goes on until a copy is lost',
  )
  const cut = of(
    one => {
      one.reachable = false
    },
    { presenceOf },
  )
  assert.match(cut.reasons[0]!.next, /^start shoal on p2, p3; if/)
})

status('what may still fail is said in words', () => {
  const said = (voters: number[], down: number[]) => {
    const state = threePeers()
    for (const name of ['p4', 'p5']) addPeer(state, name)
    state.voters = voters
    for (const id of down) state.peers[id - 1]!.state = 'down'
    return safety(state)
  }
  assert.is(said([1, 2, 3], []), 'one of the voters p1, p2, p3 may fail')
  assert.match(said([1, 2, 3, 4, 5], []), /^2 of the voters/)
  assert.is(
    said([1, 2, 3, 4, 5], [5]),
    'of the voters p5 is away; 1 more of p1, p2, p3, p4 may fail',
  )
  assert.match(said([1, 2, 3], [3]), /one more of p1, p2 goes/)
})

status('below min_in_sync writes wait, and that is an error', () => {
  const found = of(state => {
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [1]
  })
  assert.is(found.health, 'error')
  assert.match(found.reasons[0]!.message, 'writes wait')
  assert.is(found.volumes.blocked, 1)
})

status('copies that are being made are a task, and patience is the advice', () => {
  const joins = [{ policy: 1, index: 0, disk: 3, done: 5, total: 10, running_ms: 0 }]
  const data = { stores: [], heads: [], sessions: null, joins, budget: {} }
  const found = of(
    state => {
      const pg = state.policies[0]!.pgs[0]!
      pg.in_sync = [1, 2]
      pg.joining = { disk: 3, join_at: 2 }
    },
    { data },
  )
  assert.match(found.reasons[0]!.next, 'wait')
  assert.is(found.tasks[0]!.kind, 'resync')
})

status('no leader is an error; a policy without disks warns', () => {
  assert.is(
    of(state => {
      state.reachable = false
    }).reasons[0]!.code,
    'no_leader',
  )
  const empty = of(state => {
    state.policies[0]!.pgs = []
  })
  assert.equal(
    empty.reasons.map(reason => reason.code),
    ['no_placement'],
  )
})

status('a peer that gossip does not hear is suspect while the leader counts on it', () => {
  const presenceOf = (peer: number) => (peer === 2 ? ('down' as const) : ('up' as const))
  const found = of(() => undefined, { presenceOf })
  assert.is(found.peers[1]!.state, 'suspect')
  assert.is(found.health, 'warn')
  assert.is(found.reasons[0]!.code, 'peer_silent')
  const alone = of(
    state => {
      state.reachable = false
    },
    { presenceOf },
  )
  assert.is(alone.peers[1]!.state, 'down')
  const briefly = of(() => undefined, { presenceOf: () => 'suspect' })
  assert.is(briefly.peers[1]!.state, 'suspect')
  assert.is(briefly.health, 'ok')
})

status('a peer that the leader took out is down, whatever is heard of it', () => {
  const found = of(
    state => {
      state.peers[1]!.state = 'down'
    },
    { presenceOf: () => 'up' },
  )
  assert.is(found.peers[1]!.state, 'down')
})

status('copies that lie closer together than the policy allows warn', () => {
  const codes = (change: (state: ClusterState) => void) =>
    of(change).reasons.map(reason => `${reason.code}: ${reason.message}`)
  const onOnePeer = (state: ClusterState) => {
    state.disks[1]!.peer = 1
  }
  assert.equal(codes(onOnePeer), [
    'copies_together: policy default: 4 of 4 placement groups have more than one copy in one peer ' +
      '(p1): one loss takes several',
  ])
  const ofRacks = (state: ClusterState) => {
    state.policies[0]!.failure_domain = 'rack'
  }
  assert.equal(codes(ofRacks), [], 'who names no rack stands for itself')
  const inOneRack = (state: ClusterState) => {
    ofRacks(state)
    for (const peer of state.peers.slice(1)) peer.domains.rack = 'r1'
  }
  assert.match(codes(inOneRack)[0]!, 'more than one copy in one rack (r1)')
  const bounded = (rack: number, racked: (state: ClusterState) => void) =>
    codes(state => {
      racked(state)
      state.policies[0]!.max_per = { rack }
    })
  assert.equal(bounded(2, inOneRack), [], 'two in one rack is what was asked for')
  const allInOne = (state: ClusterState) => {
    for (const peer of state.peers) peer.domains.rack = 'r1'
  }
  assert.match(bounded(2, allInOne)[0]!, 'more than 2 copies in one rack (r1)')
  const ofDisks = (state: ClusterState) => {
    onOnePeer(state)
    state.policies[0]!.failure_domain = 'disk'
  }
  assert.equal(codes(ofDisks), [])
  const moving = (state: ClusterState) => {
    state.disks[addDisk(state, 1) - 1]!.peer = 1
    for (const pg of state.policies[0]!.pgs) pg.members.push(4)
  }
  assert.equal(codes(moving), [], 'the old member stands beside its successor')
})

status('a member that fills up has a rate and an end, once something was copied', () => {
  const join = { policy: 1, index: 2, disk: 3, done: 0, total: 4_000, running_ms: 2_000 }
  const [begun, running] = joinTasks({ joins: [join, { ...join, done: 1_000 }] })
  assert.equal([begun!.rate, begun!.eta_seconds], [null, null])
  assert.equal([running!.rate, running!.eta_seconds], [500, 6])
  const { running_ms, ...before } = { ...join, done: 1_000 }
  const [untold] = joinTasks({ joins: [before] })
  assert.equal([untold!.rate, untold!.eta_seconds], [null, null], `not ${running_ms}`)
})

status('who is lost again and again is held back, and named', () => {
  const until = Date.UTC(2026, 0, 2)
  const found = of(() => undefined, { held: [{ subject: 'peer 2', losses: 3, untilMs: until }] })
  assert.is(found.reasons[0]!.code, 'held_back')
  assert.match(found.reasons[0]!.message, 'peer p2 was lost 3 times')
  assert.match(found.reasons[0]!.message, '2026-01-02T00:00:00.000Z')
})

status.run()
