import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Change } from '../../../src/cli/change-command.ts'
import type { ClusterState, PolicyRecord } from '../../../src/data/state.ts'
import type { TreeNode } from '../../../src/placement/index.ts'
import { type ApiFixture, failure, startApi } from '../../helpers/api-fixture.ts'
import { addDisk, addPeer, makePg, makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'

const api = suite<{ fixture: ApiFixture }>('api: placement and tasks')

/** Three peers that hold everything, and a fourth that holds nothing yet. */
function fourPeers(): ClusterState {
  const state = threePeers()
  addDisk(state, addPeer(state, 'p4'))
  return state
}

api.before.each(async context => {
  context.fixture = await startApi(data => {
    data.state = fourPeers()
    data.selfId = 1
  })
})
api.after.each(context => context.fixture.close())

function plan({ api: client }: ApiFixture, change: Change) {
  return client.call('placement.plan', { body: { change, bytes_per_second: 1 } })
}

const unchangedPolicy = {
  name: null,
  copies: null,
  min_in_sync: null,
  failure_domain: null,
  class: null,
  reads: null,
  max_per: null,
  labels: null,
  localize: null,
}

api('a plan changes nothing, names people know, and is what would be done', async ({ fixture }) => {
  const change: Change = { type: 'disk_state', disk: 3, state: 'draining' }
  const shown = await plan(fixture, change)
  assert.is(shown.moved, 4)
  assert.is(shown.policies[0]!.name, 'default')
  assert.equal(shown.moves, [{ from: 'p3', to: 'p4', members: 4 }])
  // 12 members share the 4096 bytes that are known to be used.
  assert.is(shown.moved_bytes, Math.floor((4 * 4096) / 12))
  assert.is(shown.seconds, Math.ceil((4 * 4096) / 12))
  assert.equal(fixture.data.proposals, [])
  const made = await fixture.api.call('placement.change', { body: { change } })
  assert.equal(made.policies, shown.policies)
  assert.is(fixture.data.state!.disks[2]!.state, 'draining')
})

api('every change can be planned: disks, peers, domains, policies', async ({ fixture }) => {
  const moved = async (change: Change) => (await plan(fixture, change)).moved
  assert.is(await moved({ type: 'none' }), 3)
  assert.is(await moved({ type: 'disk_add', peer: null, size: 2 ** 31, class: 'ssd' }), 4)
  assert.is(await moved({ type: 'disk_set', disk: 4, weight: 0, labels: null }), 0)
  assert.is(await moved({ type: 'peer_state', peer: 'p2', state: 'out' }), 4)
  const domains: Change = { type: 'peer_domains', peers: ['p1'], rack: 'r1', zone: null }
  assert.is(await moved(domains), 3)
  const copies = { ...unchangedPolicy, copies: 4 }
  assert.is(await moved({ type: 'policy_set', policy: 'default', change: copies }), 4)
  assert.equal(fixture.data.proposals, [])
})

api('changes are made: weight, labels, domains, policy', async ({ fixture }) => {
  const make = (change: Change) => fixture.api.call('placement.change', { body: { change } })
  await make({ type: 'disk_set', disk: 1, weight: 7, labels: ['new', 'fast', 'new'] })
  await make({ type: 'peer_domains', peers: ['p1'], rack: 'r1', zone: null })
  const change = { ...unchangedPolicy, copies: 2, class: 'ssd' as const, localize: 'peer:p1' }
  await make({ type: 'policy_set', policy: 'default', change: { ...change, name: 'two' } })
  const state = fixture.data.state!
  assert.is(state.disks[0]!.weight, 7)
  const reserve = (bytes: number): Change => ({
    ...{ type: 'disk_set', disk: 4, weight: null, labels: null, reserve: bytes },
  })
  await make(reserve(2 ** 30))
  assert.is((await fixture.api.call('disk.show', { params: { id: 4 } })).reserve, 2 ** 30)
  await failure(make(reserve(2 ** 31)), 'bad_request')
  assert.equal(state.disks[0]!.labels, ['fast', 'new'])
  assert.is(state.peers[0]!.domains.rack, 'r1')
  const policy = await fixture.api.call('policy.show', { params: { name: 'two' } })
  assert.equal(
    [policy.copies, policy.min_in_sync, policy.class, policy.localize],
    [2, 2, 'ssd', 'peer:p1'],
  )
  assert.equal(
    fixture.data.proposals.map(one => one.type),
    [
      'set_disk',
      'set_disk_labels',
      'update_peer',
      'set_policy',
      'set_policy_placement',
      'set_disk',
    ],
  )
})

api(
  'what cannot be placed, or names nothing, is refused and changes nothing',
  async ({ fixture }) => {
    const make = (change: Change) => fixture.api.call('placement.change', { body: { change } })
    await fixture.mutate(state => {
      state.peers[0]!.domains = { rack: 'r1', zone: 'a' }
    })
    const tree: Change = { type: 'peer_domains', peers: ['p2'], rack: 'r1', zone: 'b' }
    assert.match((await failure(make(tree), 'bad_request')).why ?? '', 'not_a_tree')
    await failure(make({ type: 'disk_state', disk: 9, state: 'draining' }), 'not_found')
    await failure(
      make({ type: 'peer_domains', peers: ['p1', 'p9'], rack: 'x', zone: null }),
      'not_found',
    )
    await failure(make({ type: 'peer_state', peer: 'p9', state: 'draining' }), 'not_found')
    const nowhere = { ...unchangedPolicy, localize: 'row:1' }
    const localize = { type: 'policy_set', policy: 'default', change: nowhere } as const
    await failure(make(localize), 'bad_request')
    const misspelt = { ...localize, change: { ...nowhere, localize: 'zone:b' } }
    await failure(make(misspelt), 'not_found')
    // Removal asks first what would be lost, and is another request.
    await failure(make({ type: 'disk_state', disk: 1, state: 'out' }), 'bad_request')
    await failure(make({ type: 'none' }), 'bad_request')
    await fixture.mutate(state => {
      state.disks[1]!.state = 'out'
      state.disks[2]!.state = 'down'
    })
    await failure(make({ type: 'disk_state', disk: 2, state: 'in' }), 'conflict')
    await failure(make({ type: 'disk_state', disk: 3, state: 'in' }), 'conflict')
    assert.equal(fixture.data.proposals, [])
  },
)

api('a rack goes to another zone with all its peers at once', async ({ fixture }) => {
  const make = (peers: string[], zone: string) => {
    const change: Change = { type: 'peer_domains', peers, rack: null, zone }
    return fixture.api.call('placement.change', { body: { change } })
  }
  await fixture.mutate(state => {
    for (const peer of state.peers.slice(0, 2)) peer.domains = { rack: 'r1', zone: 'a' }
  })
  await failure(make(['p1'], 'b'), 'bad_request')
  await make(['p1', 'p2'], 'b')
  assert.equal(
    fixture.data.state!.peers.map(peer => peer.domains.zone),
    ['b', 'b', '', ''],
  )
})

api('a disk with data is removed only by force, an empty one at once', async ({ fixture }) => {
  const remove = (id: number, query = {}) =>
    fixture.api.call('disk.remove', { params: { id }, query })
  const refused = await failure(remove(3), 'busy')
  assert.match(refused.next ?? '', /shoal disk drain 3.*--force/)
  assert.is((await remove(3, { force: true })).state, 'out')
  const empty = await remove(4)
  assert.equal([empty.state, empty.groups, empty.only_copies], ['out', 0, 0])
  await fixture.mutate(state => {
    for (const pg of state.policies[0]!.pgs) pg.in_sync = [2]
  })
  const shown = await fixture.api.call('disk.show', { params: { id: 2 } })
  assert.equal([shown.groups, shown.only_copies], [4, 4])
  await failure(remove(2, { force: true, allow_degraded: true }), 'would_lose_data')
  const peer = await fixture.api.call('peer.show', { params: { name: 'p2' } })
  assert.equal([peer.groups, peer.only_copies], [4, 4])
})

api('what moves is a task: watched, paused, throttled, resumed', async ({ fixture }) => {
  const tasks = () => fixture.api.call('task.list')
  const params = { id: 'rebalance' }
  const [moving] = await tasks()
  assert.equal([moving!.id, moving!.state, moving!.members_left], ['rebalance', 'running', 3])
  assert.is(moving!.rate, null)
  assert.ok((await fixture.api.call('task.pause', { params })).paused)
  assert.is((await fixture.api.call('task.show', { params })).state, 'paused')
  const status = await fixture.api.call('status.show')
  assert.is(status.tasks[0]!.state, 'paused')
  const body = { per_disk: 1, per_peer: null, total: 5 }
  await fixture.api.call('task.set', { params, body })
  await fixture.api.call('task.resume', { params })
  const limits = await fixture.api.call('task.limits', { params })
  const counts = { paused: false, per_disk: 1, per_peer: 8, total: 5 }
  assert.equal(limits, { ...counts, disk_rate: 0, peer_rate: 0 })
  const rates = { per_disk: null, per_peer: null, total: null, disk_rate: 2 ** 20, peer_rate: null }
  const slower = await fixture.api.call('task.set', { params, body: rates })
  assert.equal(slower, { ...counts, disk_rate: 2 ** 20, peer_rate: 0 })
  await fixture.mutate(state => {
    const pg = state.policies[0]!.pgs[0]!
    state.policies[0]!.pgs[0] = { ...makePg(0, [...pg.members.slice(1), 4]) }
    state.policies[0]!.table_epoch++
  })
  const later = await fixture.api.call('task.show', { params })
  assert.is(later.members_left, 2)
  assert.ok(later.done > 0 && later.rate! > 0 && later.eta_seconds! > 0)
  await failure(fixture.api.call('task.pause', { params: { id: 'x' } }), 'unsupported')
  await failure(fixture.api.call('task.show', { params: { id: 'x' } }), 'not_found')
})

api(
  'who watches a move to its end sees it end; a pause is seen with nothing to hold',
  async one => {
    const { fixture } = one
    const params = { id: 'rebalance' }
    await fixture.mutate(state => {
      state.disks.pop()
      state.peers.pop()
    })
    const shown = async () => {
      const { state, members_left } = await fixture.api.call('task.show', { params })
      return [state, members_left]
    }
    assert.equal(await fixture.api.call('task.list'), [])
    assert.equal(await shown(), ['done', 0])
    await fixture.api.call('task.pause', { params })
    assert.equal(await shown(), ['paused', 0])
  },
)

api('the time of a change is reckoned at the rate that was given', async ({ fixture }) => {
  const change: Change = { type: 'disk_state', disk: 1, state: 'draining' }
  const asked = { change, bytes_per_second: 1000 }
  const planned = await fixture.api.call('placement.plan', { body: asked })
  const made = await fixture.api.call('placement.change', { body: asked })
  assert.ok(planned.seconds > 0)
  assert.is(made.seconds, planned.seconds)
})

api('a policy is made with its rules, and planned with them first', async ({ fixture }) => {
  await fixture.mutate(state => {
    state.disks[3]!.labels = ['new']
    state.disks[2]!.labels = ['new']
    state.peers[3]!.domains = { rack: 'r1', zone: 'west' }
  })
  const body = {
    ...{ name: 'ruled', copies: 2, min_in_sync: null, failure_domain: 'peer' as const },
    ...{ class: null, pg_count: 4, max_per: { rack: 2 }, labels: ['new'], localize: 'zone:west' },
  }
  const shown = await fixture.api.call('policy.create', { body: { ...body, dry_run: true } })
  assert.equal([shown.max_per, shown.labels, shown.localize], [{ rack: 2 }, ['new'], 'zone:west'])
  assert.equal(fixture.data.proposals, [])
  const made = await fixture.api.call('policy.create', { body: { ...body, dry_run: false } })
  assert.equal({ ...made, id: shown.id, state: shown.state }, shown)
  assert.equal(
    fixture.data.proposals.map(one => one.type),
    ['create_policy', 'set_policy_placement', 'set_pg_table'],
  )
  const { pgs } = fixture.data.state!.policies[1]!
  for (const pg of pgs) assert.equal(pg.members.slice().sort(), [3, 4])
  const colon = { ...body, name: 'colon', localize: 'zone:west:1', dry_run: true }
  await failure(fixture.api.call('policy.create', { body: colon }), 'not_found')
  await fixture.mutate(state => {
    state.peers[3]!.domains.zone = 'west:1'
  })
  const told = await fixture.api.call('policy.create', { body: colon })
  assert.is(told.localize, 'zone:west:1')
  const lost = { ...body, name: 'lost', localize: 'zone', dry_run: false }
  await failure(fixture.api.call('policy.create', { body: lost }), 'bad_request')
})

api('more copies than domains are refused by name, unless that is wanted', async ({ fixture }) => {
  const usual = { min_in_sync: null, class: null, pg_count: null, dry_run: false }
  const five = { ...usual, name: 'five', copies: 5, failure_domain: 'peer' as const }
  const create = (more: object) => fixture.api.call('policy.create', { body: { ...five, ...more } })
  const refused = await failure(create({}), 'bad_request')
  assert.match(refused.message, 'policy five: the topology has room for 4 of 5 members')
  assert.equal([refused.why, refused.next].join().includes('short_pgs'), true)
  assert.match(refused.next ?? '', '--allow-short')
  const none = await failure(create({ copies: 1, class: 'hdd' }), 'bad_request')
  assert.match(none.why ?? '', 'no_eligible_disk')
  assert.equal(fixture.data.proposals, [])
  assert.is((await create({ allow_short: true })).copies, 5)

  const set = (change: object, more = {}) => {
    const whole = { type: 'policy_set' as const, policy: 'default' }
    const body = { change: { ...whole, change: { ...unchangedPolicy, ...change } }, ...more }
    return fixture.api.call('placement.change', { body })
  }
  assert.match((await failure(set({ copies: 7 }), 'bad_request')).why ?? '', 'short_pgs')
  assert.match((await failure(set({ class: 'hdd' }), 'bad_request')).why ?? '', 'no_eligible_disk')
  await set({ copies: 7 }, { allow_short: true })
  await set({ reads: 'confirmed' })
  assert.is(fixture.data.state!.policies[0]!.reads, 'confirmed', 'it was short before')
})

api(
  'a count of groups that is chosen follows the disks, one that is given stays',
  async context => {
    const { api: client, data } = context.fixture
    const rules = { copies: 3, min_in_sync: null, failure_domain: 'peer' as const, class: null }
    const create = (name: string, pg_count: number | null) =>
      client.call('policy.create', { body: { ...rules, name, pg_count, dry_run: false } })
    assert.equal([(await create('auto', null)).follows_disks, data.proposals.length], [true, 3])
    assert.equal([(await create('given', 8)).follows_disks, data.proposals.length], [false, 5])
    // A data process of the version before says nothing of it.
    delete (data.state!.policies[0] as Partial<PolicyRecord>).follows_disks
    const [first] = await client.call('policy.list')
    assert.is(first!.follows_disks, false)
    const set = (change: object) => {
      const policy_set = { type: 'policy_set' as const, policy: 'auto' }
      const body = { change: { ...policy_set, change: { ...unchangedPolicy, ...change } } }
      return client.call('placement.change', { body })
    }
    const shown = async () => {
      const { pg_count, follows_disks } = await client.call('policy.show', {
        params: { name: 'auto' },
      })
      return [pg_count, follows_disks]
    }
    assert.equal(await shown(), [256, true])
    await set({ pg_count: 512, follows_disks: false })
    assert.equal(await shown(), [512, false])
    await set({ follows_disks: true })
    assert.equal(await shown(), [512, true])
  },
)

api('a policy gets more groups: nothing moves, old volumes keep to the old', async context => {
  const { fixture } = context
  await fixture.mutate(state => {
    state.volumes.push(makeVolume(1, 'db'))
    state.disks.pop()
    state.peers.pop()
  })
  const grow = (pg_count: number): Change => ({
    type: 'policy_set',
    policy: 'default',
    change: { ...unchangedPolicy, pg_count },
  })
  const shown = await plan(fixture, grow(16))
  assert.equal([shown.moved, shown.moved_bytes, shown.policies[0]!.pgs], [0, 0, 16])
  await fixture.api.call('placement.change', { body: { change: grow(16) } })
  const asked = fixture.data.proposals.at(-1)
  assert.equal(asked, { type: 'grow_policy', policy: 1, expected: 4, pg_count: 16 })
  const policy = await fixture.api.call('policy.show', { params: { name: 'default' } })
  assert.equal([policy.pg_count, policy.pg_count_wanted, policy.state], [16, 128, 'ok'])
  const layout = await fixture.api.call('volume.layout', { params: { name: 'db' } })
  assert.ok(layout.groups.every(group => group.index < 4))
  const make = (count: number) =>
    fixture.api.call('placement.change', { body: { change: grow(count) } })
  assert.match((await failure(make(2), 'bad_request')).why ?? '', 'pg_count_shrinks')
  assert.match((await failure(make(24), 'bad_request')).why ?? '', 'bad_pg_count')
})

api('drains are tasks; one with no other place says so, and status warns', async ({ fixture }) => {
  await fixture.mutate(state => {
    state.disks[2]!.state = 'draining'
    state.peers[3]!.state = 'draining'
    state.topology_epoch++
  })
  const status = await fixture.api.call('status.show')
  assert.equal(
    status.tasks.map(task => [task.id, task.state, task.members_left]),
    [
      ['drain-disk-3', 'blocked', 4],
      ['drain-peer-p4', 'done', 0],
    ],
  )
  assert.is(status.health, 'warn')
  assert.is(status.reasons[0]!.code, 'placement_blocked')
  assert.match(status.reasons[0]!.next, 'add disks')
})

api('a drain whose last members only have to be let go of is not blocked', async ({ fixture }) => {
  await fixture.mutate(state => {
    state.disks[2]!.state = 'draining'
    state.topology_epoch++
    // As the successors got in sync, and before the rows say that the old member is gone.
    for (const pg of state.policies[0]!.pgs) {
      Object.assign(pg, { members: [1, 2, 4, 3], in_sync: [1, 2, 4, 3] })
    }
  })
  const status = await fixture.api.call('status.show')
  assert.equal(
    status.tasks.map(task => [task.id, task.state, task.members_left]),
    [['drain-disk-3', 'running', 4]],
  )
  assert.is(status.health, 'ok')
})

api('nothing can be placed: it is said, and what to do', async ({ fixture }) => {
  await fixture.mutate(state => {
    state.peers[0]!.domains = { rack: 'r1', zone: 'a' }
    state.peers[1]!.domains = { rack: 'r1', zone: 'b' }
    state.topology_epoch++
  })
  const status = await fixture.api.call('status.show')
  assert.is(status.reasons[0]!.code, 'placement_blocked')
  assert.match(status.reasons[0]!.message, 'two zones')
})

api('the tree has names, weights and shares', async ({ fixture }) => {
  await fixture.mutate(state => {
    for (const peer of state.peers.slice(0, 2)) peer.domains = { rack: 'r1', zone: 'west' }
  })
  const tree = (await fixture.api.call('cluster.tree')) as unknown as TreeNode[]
  const west = tree.find(node => node.name === 'west')!
  assert.is(west.children[0]!.name, 'r1')
  assert.equal(
    west.children[0]!.children.map(peer => peer.name),
    ['p1', 'p2'],
  )
  assert.equal([west.members, west.weight], [8, 4])
  assert.ok(tree.some(node => node.name === 'peer p3' && node.children[0]!.name === 'peer p3'))
  const disk = west.children[0]!.children[0]!.children[0]!
  assert.equal([disk.name, disk.state, disk.fill], [1, 'in', 4096 / 2 ** 31])
})

api('the layout of a volume adds up', async ({ fixture }) => {
  await fixture.mutate(state => {
    state.volumes.push(makeVolume(1, 'db'))
    state.policies[0]!.pgs[1] = makePg(1, [4, 1, 2], [4, 1])
  })
  const layout = await fixture.api.call('volume.layout', { params: { name: 'db' } })
  assert.is(layout.extents, 256)
  const sum = (list: { extents: number }[]) => list.reduce((all, one) => all + one.extents, 0)
  assert.is(sum(layout.groups), 256)
  const [moved] = layout.groups.filter(group => group.index === 1)
  assert.is(sum(layout.disks), 3 * 256 - moved!.extents)
  assert.is(
    layout.disks.reduce((all, disk) => all + disk.first, 0),
    256,
  )
  assert.equal(
    layout.disks.find(disk => disk.disk === 4),
    { disk: 4, peer: 'p4', rack: '', zone: '', extents: moved!.extents, first: moved!.extents },
  )
  await failure(fixture.api.call('volume.layout', { params: { name: 'x' } }), 'not_found')
  await fixture.mutate(state => {
    state.volumes[0]!.size_bytes = 2 ** 43
  })
  const large = await fixture.api.call('volume.layout', { params: { name: 'db' } })
  assert.is(sum(large.groups), 2 ** 21)
})

api.run()
