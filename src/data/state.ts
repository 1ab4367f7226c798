// The cluster state as the data process shows it (docs/formats/meta.md), and look-ups in it.

export type Standing = 'in' | 'draining' | 'out' | 'down'
export type AddressRole = 'data' | 'control' | 'gossip'
export type DiskClass = 'nvme' | 'ssd' | 'hdd'
export type FailureDomain = 'disk' | 'peer' | 'rack' | 'zone'
export type Severity = 'info' | 'warn' | 'error'

export interface Domains {
  rack: string
  zone: string
}

export interface PeerRecord {
  id: number
  name: string
  public_key: string
  addresses: { role: AddressRole; address: string }[]
  domains: Domains
  state: Standing
  witness: boolean
  joined_ms: number
  maintenance_until_ms: number
}

export interface DiskRecord {
  id: number
  peer: number
  store: string
  path: string
  size_bytes: number
  class: DiskClass
  weight: number
  state: Standing
  reserve_bytes: number
  labels: string[]
  /** Correction of its share by measured fill, in 1/1024. */
  fill_factor: number
}

export interface PolicyRecord {
  id: number
  name: string
  redundancy: { replicas: { copies: number } } | { erasure: { data: number; parity: number } }
  failure_domain: FailureDomain
  class: DiskClass | null
  min_in_sync: number
  reads: 'lease' | 'confirmed'
  /** Most members of one group in one of these, beside the failure domain's one. */
  max_per: Partial<Record<FailureDomain, number>>
  /** Only disks that carry all of these. */
  labels: string[]
  localize: { peer: number } | { zone: string } | null
  blocks_per_extent: number
  pg_count: number
  algorithm_version: number
  table_epoch: number
  /** The leader grows `pg_count` with the disks. */
  follows_disks: boolean
  /** Placement groups that have members, in order. */
  pgs: PgRecord[]
}

export interface PgRecord {
  index: number
  epoch: number
  members: number[]
  in_sync: number[]
  joining: { disk: number; join_at: number } | null
  /** Members that are not in sync: since when, and whether their data is worth nothing. */
  out: { disk: number; out_at: number; full: boolean }[]
}

export interface AttachmentRecord {
  peer: number
  generation: number
  via: 'ublk' | 'nbd' | 'export'
  read_only: boolean
  queues: number
}

export interface VolumeRecord {
  id: number
  name: string
  size_bytes: number
  block_size: number
  policy: number
  lineage: number
  layers: number[]
  state: 'active' | { deleting: { purge: number[] } }
  created_ms: number
  head: { epoch: number; owner: { peer: number; process: string; generation: number } | null }
  generation: number
  attachment: AttachmentRecord | null
  fenced: { peer: number; generation: number }[]
  /** Groups over which it is spread; its policy may have more by now. */
  pg_count: number
}

export interface ExportRecord {
  id: number
  volume: number
  peer: number
  kind: 'nbd'
  path: string
}

export interface EventRecord {
  id: number
  time_ms: number
  severity: Severity
  code: string
  message: string
  subject: string
}

/** How much moves at once when placement changes; what has to be made anew is never held back. */
export interface MovementRecord {
  paused: boolean
  /** Members that fill up at the same time. */
  per_disk: number
  per_peer: number
  total: number
  /** Bytes per second into one disk, and into all disks of one peer; 0: no bound. */
  disk_rate: number
  peer_rate: number
}

export interface SettingsRecord {
  rebuild_after_ms: number
  replace_voter_after_ms: number
}

export interface ClusterState {
  /** Another one where anything below is; a data process of an older version has none. */
  tag?: string
  cluster_id: string
  name: string
  incarnation: number
  level: number
  index: number
  time_ms: number
  map_epoch: number
  topology_epoch: number
  voters: number[]
  learners: number[]
  peers: PeerRecord[]
  disks: DiskRecord[]
  policies: PolicyRecord[]
  volumes: VolumeRecord[]
  exports: ExportRecord[]
  movement: MovementRecord
  /** Oldest first; the newest of all time are kept. */
  events: EventRecord[]
  settings: SettingsRecord
  /** Who is away, since when (cluster time). */
  peers_down: { peer: number; since_ms: number }[]
  disks_down: { disk: number; since_ms: number }[]
  /** Peers that stopped in order. */
  left: number[]
  /** Disks taken out because they were gone for too long. */
  given_up: number[]
  /** Peers that lost their consensus log. */
  never_vote: number[]
  /** Disks that have to come back after a restore; a data process of an older version has none. */
  missing?: number[]
  /** Peer that decides; null when there is none, or none is known. */
  leader: number | null
  is_leader: boolean
  /** Someone who decides answers. */
  reachable: boolean
}

/** Members of a whole placement group. */
export function width(policy: Pick<PolicyRecord, 'redundancy'>): number {
  const { redundancy } = policy
  return 'replicas' in redundancy
    ? redundancy.replicas.copies
    : redundancy.erasure.data + redundancy.erasure.parity
}

/** Disks whose copies can be had now, as far as the cluster knows: nobody is out of sync by being away. */
export function disksThere(state: ClusterState): ReadonlySet<number> {
  const away = new Set(state.peers.filter(peer => peer.state === 'down').map(peer => peer.id))
  const there = state.disks.filter(disk => disk.state !== 'down' && !away.has(disk.peer))
  return new Set(there.map(disk => disk.id))
}

export function isActive(volume: VolumeRecord): boolean {
  return volume.state === 'active'
}

export function peerName(state: ClusterState, id: number | null): string {
  return state.peers.find(peer => peer.id === id)?.name ?? (id === null ? 'no peer' : `peer ${id}`)
}

export function policyName(state: ClusterState, id: number): string {
  return state.policies.find(policy => policy.id === id)?.name ?? `policy ${id}`
}

export function pgsOf(state: ClusterState, policy: number): PgRecord[] {
  return state.policies.find(one => one.id === policy)?.pgs ?? []
}

/** Gone with its directory; what it had is waited for disk by disk. */
export function isMissed(state: ClusterState, peerId: number): boolean {
  return state.disks.some(disk => disk.peer === peerId && state.missing?.includes(disk.id))
}
