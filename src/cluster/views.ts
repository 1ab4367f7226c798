// What the API shows of peers and policies: plain functions of the cluster state.
import { type Holding, holdings } from '../data/holdings.ts'
import {
  type ClusterState,
  type DiskRecord,
  type FailureDomain,
  type PeerRecord,
  type PolicyRecord,
  peerName,
  type VolumeRecord,
  width,
} from '../data/state.ts'
import { suitedPgCount } from './suited-groups.ts'

/** What this peer has heard of another one lately. A guess: the cluster state decides. */
export type Presence = 'unknown' | 'up' | 'suspect' | 'down'
export type PresenceOf = (peer: number) => Presence | undefined
export type ShownState = 'up' | 'suspect' | 'down' | 'draining' | 'out'

export interface PeerView {
  name: string
  id: number
  state: ShownState
  addresses: string[]
  rack: string
  zone: string
  disks: number
  /** Copies on its disks, and those of which there is no other that is in sync. */
  groups: number
  only_copies: number
  is_voter: boolean
  is_leader: boolean
  public_key: string
  joined_at: string
  /** Planned to be away until then. */
  maintenance_until: string | null
}

export interface PolicyView {
  name: string
  id: number
  copies: number
  min_in_sync: number
  failure_domain: string
  class: string | null
  reads: string
  max_per: Partial<Record<FailureDomain, number>>
  labels: string[]
  localize: string | null
  pg_count: number
  /** As a new policy on these disks would have. */
  pg_count_wanted: number
  /** The leader gives it more when there are more disks; else it keeps what it was given. */
  follows_disks: boolean
  blocks_per_extent: number
  volumes: number
  state: PolicyState
}

/** `empty`: no placement group has members yet. */
export type PolicyState = 'ok' | 'degraded' | 'blocked' | 'empty'

/**
 * A peer that the leader counts on is at worst suspect here: its data process serves, or the leader
 * would have taken it out. Without a leader nobody judges, and what was heard has to do.
 */
export function shownState(
  state: ClusterState,
  peer: PeerRecord,
  presence: Presence | undefined,
): ShownState {
  if (peer.state !== 'in') return peer.state
  if (presence === 'down') return state.reachable ? 'suspect' : 'down'
  return presence === 'suspect' ? 'suspect' : 'up'
}

export function peerView(
  state: ClusterState,
  peer: PeerRecord,
  presence: Presence | undefined,
  held: (disk: number) => Holding = holdings(state),
): PeerView {
  const own = state.disks.filter(disk => disk.peer === peer.id)
  return {
    name: peer.name,
    id: peer.id,
    state: shownState(state, peer, presence),
    addresses: peer.addresses.map(one => one.address),
    rack: peer.domains.rack,
    zone: peer.domains.zone,
    disks: own.length,
    groups: own.reduce((sum, disk) => sum + held(disk.id).groups, 0),
    only_copies: own.reduce((sum, disk) => sum + held(disk.id).onlyCopies, 0),
    is_voter: state.voters.includes(peer.id),
    is_leader: state.leader === peer.id,
    public_key: peer.public_key,
    joined_at: new Date(peer.joined_ms).toISOString(),
    maintenance_until:
      peer.maintenance_until_ms === 0 ? null : new Date(peer.maintenance_until_ms).toISOString(),
  }
}

export function policyView(state: ClusterState, policy: PolicyRecord): PolicyView {
  return {
    name: policy.name,
    id: policy.id,
    copies: width(policy),
    min_in_sync: policy.min_in_sync,
    failure_domain: policy.failure_domain,
    class: policy.class,
    reads: policy.reads,
    max_per: policy.max_per,
    labels: policy.labels,
    localize: localizeText(state, policy.localize),
    pg_count: policy.pg_count,
    pg_count_wanted: suitedPgCount(state, policy),
    // A data process of the version before does not say.
    follows_disks: policy.follows_disks === true,
    blocks_per_extent: policy.blocks_per_extent,
    volumes: volumesOf(state, policy.id).length,
    state: policyState(state, policy),
  }
}

function localizeText(state: ClusterState, localize: PolicyRecord['localize']): string | null {
  if (localize === null) return null
  if ('zone' in localize) return `zone:${localize.zone}`
  return `peer:${peerName(state, localize.peer)}`
}

/** "3 volumes of policy NAME" */
export function volumesText(state: ClusterState, { id, name }: PolicyRecord): string {
  const count = volumesOf(state, id).length
  return `${count} volume${count === 1 ? '' : 's'} of policy ${name}`
}

export function volumesOf(state: ClusterState, policy: number): VolumeRecord[] {
  return state.volumes.filter(volume => volume.policy === policy && volume.state === 'active')
}

/** How many copies of a policy's groups are in sync and there. */
export interface Reach {
  state: PolicyState
  /** Groups with fewer than the policy wants. */
  short: number
  /** Groups with none. */
  unread: number
}

export function policyState(state: ClusterState, policy: PolicyRecord): PolicyState {
  return reachOf(policy, disksAway(state)).state
}

/**
 * A copy that went away while nobody wrote to its group stays in sync until somebody does, and is not
 * there. Groups that have just been added hold nothing, and say nothing about volumes that are there.
 */
export function reachOf(policy: PolicyRecord, away: ReadonlySet<number>): Reach {
  const { pgs, min_in_sync } = policy
  const wanted = width(policy)
  let [fewest, short, unread] = [wanted, 0, 0]
  for (const { in_sync } of pgs) {
    let there = 0
    for (const disk of in_sync) if (!away.has(disk)) there++
    fewest = Math.min(fewest, there)
    if (there < wanted) short++
    if (there === 0) unread++
  }
  const degraded = short > 0 ? 'degraded' : 'ok'
  const found = fewest < min_in_sync ? 'blocked' : degraded
  return { state: pgs.length === 0 ? 'empty' : found, short, unread }
}

/** Disks that are down, or whose peer is. */
export function disksAway(state: ClusterState): Set<number> {
  const downPeers = new Set(state.peers.filter(one => one.state === 'down').map(one => one.id))
  const isAway = (disk: DiskRecord) => disk.state === 'down' || downPeers.has(disk.peer)
  return new Set(state.disks.filter(isAway).map(disk => disk.id))
}
