// Changes that move data, as people ask for them: what each makes of the cluster state, so that it
// can be planned before it is made.
import { ShoalError } from '../common/errors.ts'
import { formatSize } from '../common/units.ts'
import {
  type ClusterState,
  type DiskClass,
  type DiskRecord,
  type FailureDomain,
  type PeerRecord,
  type PolicyRecord,
  width,
} from '../data/state.ts'
import { localizeOf } from './localize.ts'
import { findPeer } from './peers.ts'
import { findPolicy } from './policies.ts'
import { fillFactorOne } from './table-plan.ts'

/** What is null stays as it is. */
export interface PolicyChange {
  name: string | null
  copies: number | null
  min_in_sync: number | null
  failure_domain: FailureDomain | null
  class: DiskClass | 'any' | null
  reads: 'lease' | 'confirmed' | null
  max_per: Partial<Record<FailureDomain, number>> | null
  labels: string[] | null
  /** `peer:NAME`, `zone:NAME` or `none`. */
  localize: string | null
  /** A power of two, never fewer than there are. */
  pg_count?: number | null | undefined
  /** Whether the leader grows that count with the disks. */
  follows_disks?: boolean | null | undefined
}

export type TopologyChange =
  /** What is left to do as things are. */
  | { type: 'none' }
  /** Only to be planned: disks are added by their own peers. */
  | { type: 'disk_add'; peer: string | null; size: number; class: DiskClass }
  | { type: 'disk_state'; disk: number; state: 'in' | 'draining' | 'out' }
  | {
      type: 'disk_set'
      disk: number
      weight: number | null
      labels: string[] | null
      /** Bytes of it that are kept free. */
      reserve?: number | null | undefined
    }
  | { type: 'peer_state'; peer: string; state: 'in' | 'draining' | 'out' }
  /** All at once: a rack whose peers went to another zone one by one would lie in two. */
  | { type: 'peer_domains'; peers: string[]; rack: string | null; zone: string | null }
  | { type: 'policy_set'; policy: string; change: PolicyChange }

const gibibyte = 2 ** 30

/** As the cluster state will be; refuses what names nothing that is there. `self`: who is asked. */
export function afterChange(
  state: ClusterState,
  change: TopologyChange,
  self: string,
): ClusterState {
  switch (change.type) {
    case 'none':
      return state
    case 'disk_add':
      return {
        ...state,
        disks: [...state.disks, newDisk(state, { ...change, peer: change.peer ?? self })],
      }
    case 'disk_state':
      return withDisk(state, change.disk, () => ({ state: change.state }))
    case 'disk_set':
      return withDisk(state, change.disk, disk => ({
        weight: change.weight ?? disk.weight,
        labels: change.labels ?? disk.labels,
        reserve_bytes: reserveOf(disk, change.reserve ?? disk.reserve_bytes),
      }))
    case 'peer_state':
      return withPeer(state, change.peer, () => ({ state: change.state }))
    case 'peer_domains':
      return change.peers.reduce((so, name) => withDomains(so, name, change), state)
    case 'policy_set':
      return withPolicy(state, change.policy, change.change)
  }
}

export function findDisk(state: ClusterState, id: number): DiskRecord {
  const disk = state.disks.find(one => one.id === id)
  if (disk) return disk
  throw new ShoalError('not_found', `there is no disk ${id}`, {
    next: 'shoal disk list names them all',
  })
}

function newDisk(
  state: ClusterState,
  wanted: { peer: string; size: number; class: DiskClass },
): DiskRecord {
  return {
    id: Math.max(0, ...state.disks.map(disk => disk.id)) + 1,
    peer: findPeer(state, wanted.peer).id,
    store: '',
    path: '',
    size_bytes: wanted.size,
    class: wanted.class,
    // As the data process weighs a new disk.
    weight: Math.max(1, Math.floor(wanted.size / gibibyte)),
    state: 'in',
    reserve_bytes: 0,
    labels: [],
    fill_factor: fillFactorOne,
  }
}

function reserveOf(disk: DiskRecord, bytes: number): number {
  if (bytes < disk.size_bytes) return bytes
  throw new ShoalError('bad_request', `disk ${disk.id} has ${formatSize(disk.size_bytes)}`, {
    why: `${formatSize(bytes)} of them cannot be kept free`,
    next: 'reserve less; so that it holds nothing: shoal disk drain',
  })
}

function withDisk(
  state: ClusterState,
  id: number,
  change: (disk: DiskRecord) => Partial<DiskRecord>,
): ClusterState {
  const found = findDisk(state, id)
  const changed = { ...found, ...change(found) }
  return { ...state, disks: state.disks.map(disk => (disk === found ? changed : disk)) }
}

function withPeer(
  state: ClusterState,
  name: string,
  change: (peer: PeerRecord) => Partial<PeerRecord>,
): ClusterState {
  const found = findPeer(state, name)
  const changed = { ...found, ...change(found) }
  return { ...state, peers: state.peers.map(peer => (peer === found ? changed : peer)) }
}

function withDomains(
  state: ClusterState,
  name: string,
  wanted: { rack: string | null; zone: string | null },
): ClusterState {
  return withPeer(state, name, ({ domains }) => ({
    domains: { rack: wanted.rack ?? domains.rack, zone: wanted.zone ?? domains.zone },
  }))
}

function refuseGroups({ name, pg_count }: PolicyRecord, wanted: number): void {
  const next = `give ${pg_count * 2}, or any other larger power of two`
  if (wanted < pg_count) {
    throw new ShoalError('bad_request', `policy ${name} has ${pg_count} groups already`, {
      ...{ why: 'groups become more, never fewer: pg_count_shrinks', next },
    })
  }
  if ((wanted & (wanted - 1)) === 0) return
  throw new ShoalError('bad_request', `${wanted} is no count of groups`, {
    ...{ why: 'it is a power of two: bad_pg_count', next },
  })
}

function withPolicy(state: ClusterState, name: string, change: PolicyChange): ClusterState {
  const found = findPolicy(state, name)
  const copies = change.copies ?? width(found)
  refuseGroups(found, change.pg_count ?? found.pg_count)
  const changed: PolicyRecord = {
    ...found,
    name: change.name ?? found.name,
    redundancy: change.copies === null ? found.redundancy : { replicas: { copies } },
    min_in_sync: change.min_in_sync ?? Math.min(found.min_in_sync, copies),
    failure_domain: change.failure_domain ?? found.failure_domain,
    class: change.class === null ? found.class : change.class === 'any' ? null : change.class,
    reads: change.reads ?? found.reads,
    max_per: change.max_per ?? found.max_per,
    labels: change.labels ?? found.labels,
    localize: change.localize === null ? found.localize : localizeOf(state, change.localize),
    pg_count: change.pg_count ?? found.pg_count,
    follows_disks: change.follows_disks ?? found.follows_disks,
  }
  return { ...state, policies: state.policies.map(one => (one === found ? changed : one)) }
}
