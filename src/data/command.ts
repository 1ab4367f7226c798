// Commands to the cluster state that the control plane proposes, and what comes of them
// (docs/formats/meta.md). The data process knows more; these are the ones we send.
import type {
  DiskClass,
  Domains,
  FailureDomain,
  PolicyRecord,
  SettingsRecord,
  Severity,
  Standing,
} from './state.ts'

export interface PgRef {
  policy: number
  index: number
}

export interface NewPolicyRecord {
  name: string
  redundancy: { replicas: { copies: number } }
  failure_domain: FailureDomain
  class: DiskClass | null
  min_in_sync: number
  reads: 'lease' | 'confirmed'
  blocks_per_extent: number
  pg_count: number
  algorithm_version: number
}

export interface PgMembers {
  index: number
  members: number[]
  /** They keep serving until their successors are in sync. */
  leaving: number[]
}

/** Null: as it is. */
export interface PeerChange {
  name: string | null
  addresses: { role: string; address: string }[] | null
  domains: Domains | null
  state: Standing | null
  maintenance_until_ms: number | null
}

/** Null: as it is. */
export interface DiskChange {
  state: Standing | null
  weight: number | null
  size_bytes: number | null
  reserve_bytes: number | null
  path: string | null
  peer: number | null
}

export type Command =
  | ({ type: 'update_peer'; peer: number } & PeerChange)
  | { type: 'remove_peer'; peer: number }
  | { type: 'set_settings'; settings: SettingsRecord }
  | { type: 'give_up_disks'; disks: number[] }
  | { type: 'take_back_disks'; disks: number[] }
  | { type: 'pg_promote'; pg: PgRef; disk: number; expected: number }
  | { type: 'pg_cancel_join'; pg: PgRef; disk: number; expected: number }
  | ({ type: 'set_disk'; disk: number } & DiskChange)
  | { type: 'remove_disk'; disk: number }
  | { type: 'create_policy'; policy: NewPolicyRecord }
  | { type: 'delete_policy'; policy: number }
  | {
      type: 'set_policy'
      policy: number
      name: string | null
      min_in_sync: number | null
      reads: 'lease' | 'confirmed' | null
    }
  | {
      type: 'set_policy_placement'
      policy: number
      redundancy: { replicas: { copies: number } } | null
      min_in_sync: number | null
      failure_domain: FailureDomain | null
      class: 'any' | { only: DiskClass } | null
      rules: Pick<PolicyRecord, 'max_per' | 'labels' | 'localize'> | null
    }
  | { type: 'set_disk_labels'; disk: number; labels: string[] }
  | { type: 'set_fill_factors'; factors: [disk: number, factor: number][] }
  | {
      type: 'set_movement'
      paused: boolean | null
      per_disk: number | null
      per_peer: number | null
      total: number | null
    }
  | { type: 'set_move_rates'; disk_rate: number | null; peer_rate: number | null }
  | { type: 'grow_policy'; policy: number; expected: number; pg_count: number }
  | { type: 'set_policy_growth'; policy: number; follows_disks: boolean }
  | {
      type: 'set_pg_table'
      policy: number
      expected_map_epoch: number
      algorithm_version: number
      changes: PgMembers[]
    }
  | {
      type: 'pg_remove'
      target: { disk: number } | { peer: number }
      reason: 'ordered'
      only: null
    }
  | { type: 'pg_join'; items: { pg: PgRef; disk: number; expected: number }[] }
  | { type: 'create_volume'; name: string; size_bytes: number; block_size: number; policy: number }
  | { type: 'resize_volume'; volume: number; size_bytes: number; expected: number }
  | { type: 'rename_volume'; volume: number; name: string }
  | { type: 'delete_volume'; volume: number }
  | {
      type: 'record_event'
      severity: Severity
      code: string
      message: string
      subject: string
    }

export type CommandType = Command['type']

export type RejectionCode =
  | 'not_found'
  | 'exists'
  | 'stale'
  | 'in_use'
  | 'invalid'
  | 'limit'
  | 'attached'
  | 'not_attached'
  | 'head_held'
  | 'token_used'
  | 'token_expired'
  | 'level'
  | 'placement'
  | 'served'

export interface Rejection {
  code: RejectionCode
  message: string
  what?: string
  id?: number
  peer?: number
  [detail: string]: unknown
}

export interface Applied {
  type: 'done' | 'peer' | 'disk' | 'policy' | 'volume' | 'head' | 'attached' | 'export' | 'pgs'
  volume?: number
  policy?: number
  results?: { pg: PgRef; result: 'changed' | 'refused'; [detail: string]: unknown }[]
}

export type Outcome = { applied: Applied } | { rejected: Rejection }

const samePeer: PeerChange = {
  name: null,
  addresses: null,
  domains: null,
  state: null,
  maintenance_until_ms: null,
}

const sameDisk: DiskChange = {
  state: null,
  weight: null,
  size_bytes: null,
  reserve_bytes: null,
  path: null,
  peer: null,
}

export function updatePeer(peer: number, change: Partial<PeerChange>): Command {
  return { type: 'update_peer', peer, ...samePeer, ...change }
}

export function setDisk(disk: number, change: Partial<DiskChange>): Command {
  return { type: 'set_disk', disk, ...sameDisk, ...change }
}
