// A small cluster state for tests: three peers with a disk each, one policy, all in sync.
import type { ClusterState, PgRecord, PolicyRecord, VolumeRecord } from '../../src/data/state.ts'

export function emptyState(): ClusterState {
  return {
    cluster_id: '00'.repeat(16),
    name: 'test',
    incarnation: 1,
    level: 1,
    index: 1,
    time_ms: 1_700_000_000_000,
    map_epoch: 1,
    topology_epoch: 1,
    voters: [1],
    learners: [],
    peers: [],
    disks: [],
    policies: [],
    volumes: [],
    exports: [],
    movement: { paused: false, per_disk: 4, per_peer: 8, total: 64, disk_rate: 0, peer_rate: 0 },
    events: [],
    settings: { rebuild_after_ms: 600_000, replace_voter_after_ms: 120_000 },
    peers_down: [],
    disks_down: [],
    left: [],
    given_up: [],
    missing: [],
    never_vote: [],
    leader: 1,
    is_leader: true,
    reachable: true,
  }
}

export function addPeer(state: ClusterState, name: string): number {
  const id = state.peers.length + 1
  state.peers.push({
    id,
    name,
    public_key: `${id}`.repeat(64),
    addresses: [{ role: 'data', address: `10.0.0.${id}:7440` }],
    domains: { rack: '', zone: '' },
    state: 'in',
    witness: false,
    joined_ms: state.time_ms,
    maintenance_until_ms: 0,
  })
  return id
}

export function addDisk(state: ClusterState, peer: number): number {
  const id = Math.max(0, ...state.disks.map(disk => disk.id)) + 1
  state.disks.push({
    id,
    peer,
    store: `${id}`.repeat(32),
    path: `/srv/disk${id}`,
    size_bytes: 2 ** 31,
    class: 'ssd',
    weight: 2,
    state: 'in',
    reserve_bytes: 0,
    labels: [],
    fill_factor: 1024,
  })
  return id
}

export function makePolicy(id: number, name: string, copies = 3): PolicyRecord {
  return {
    id,
    name,
    redundancy: { replicas: { copies } },
    failure_domain: 'peer',
    class: null,
    min_in_sync: Math.max(1, copies - 1),
    reads: 'lease',
    max_per: {},
    labels: [],
    localize: null,
    blocks_per_extent: 1024,
    pg_count: 4,
    algorithm_version: 1,
    table_epoch: 1,
    follows_disks: false,
    pgs: [],
  }
}

export function makePg(index: number, members: number[], in_sync = members): PgRecord {
  const out = members
    .filter(disk => !in_sync.includes(disk))
    .map(disk => ({ disk, out_at: 1, full: false }))
  return { index, epoch: 1, members, in_sync: [...in_sync], joining: null, out }
}

export function makeVolume(id: number, name: string, policy = 1): VolumeRecord {
  return {
    id,
    name,
    size_bytes: 2 ** 30,
    block_size: 512,
    policy,
    lineage: id,
    layers: [id],
    state: 'active',
    created_ms: 1_700_000_000_000,
    head: { epoch: 1, owner: null },
    generation: 0,
    attachment: null,
    fenced: [],
    pg_count: 4,
  }
}

/** Peers p1, p2, p3; disks 1, 2, 3; policy "default" with four groups on all of them. */
export function threePeers(): ClusterState {
  const state = emptyState()
  for (const name of ['p1', 'p2', 'p3']) addDisk(state, addPeer(state, name))
  state.voters = [1, 2, 3]
  const policy = makePolicy(1, 'default')
  policy.pgs = [0, 1, 2, 3].map(index => makePg(index, [1, 2, 3]))
  state.policies.push(policy)
  return state
}
