// The methods of the control socket and what they take and give (docs/formats/control.md).
import type { Command, Outcome } from './command.ts'
import type { AddressRole, ClusterState, DiskClass, Domains } from './state.ts'

export const protocolMin = 1
export const protocolMax = 1

const requestLimitMs = 30_000
/** Methods that write a whole disk, or wait for one. */
const longLimitMs = 60 * 60_000
const longMethods: ReadonlySet<string> = new Set([
  'disk.add',
  'shutdown',
  'cluster.join',
  'cluster.recover',
  'cluster.recover_from_disks',
])

export function timeoutMs(method: MethodName): number {
  return longMethods.has(method) ? longLimitMs : requestLimitMs
}

export interface Hello {
  protocol: number
  version: string
  pid: number
  started_at_ms: number
  peer_id: number | null
  cluster_id: string | null
}

export interface Address {
  role: AddressRole
  address: string
}

interface Membership {
  cluster_id: string
  peer_id: number
}

export interface DiskProbe {
  size: number
  kind: 'raw' | 'file'
  found: { type: string; [detail: string]: unknown } | null
  refusal: string | null
}

export interface LocalDisk {
  disk_id: number
  path: string
  state: string
  /** Why its store does not open; absent where the data process is of an older version. */
  reason?: string | null
  stats: Record<string, number>
  /** A scrub that runs: bytes, and seconds left. */
  scrub: {
    order: number
    done: number
    total: number
    bad_blocks: number
    eta_s: number | null
  } | null
}

export interface AddedDisk {
  disk_id: number
  store_uuid: string
  size: number
}

export interface ServedDevice {
  volume: string
  /** Null until there is a device. */
  path: string | null
  kind: 'ublk' | 'nbd' | 'export'
  state: string
  reason: string | null
  head_epoch: number | null
  generation: number
  clients: number
}

/** A member of this peer that fills up; bytes, as far as they are known to be needed. */
export interface JoinLine {
  policy: number
  index: number
  disk: number
  done: number
  total: number
  /** Since the data process knows of it; one of the version before does not say. */
  running_ms?: number | undefined
}

export interface DataStatus {
  stores: LocalDisk[]
  heads: { volume: string; state: string; [detail: string]: unknown }[]
  /** As the leader sees them. `gone`: its probes found nobody, and the lease may still run. */
  sessions: { peer: number; state: 'live' | 'gone' | 'lapsed'; [detail: string]: unknown }[] | null
  joins: JoinLine[]
  budget: Record<string, number>
}

export interface SlowOperation {
  volume: string
  op: string
  offset: number
  length: number
  at_ms: number
  total_us: number
  /** Waiting for overlaps, views or space before the last piece was sent. */
  queued_us: number
  /** From there to the first answer, and from the first to the last. */
  first_ack_us: number
  last_ack_us: number
  /** The disk that answered last, and for which placement group. */
  last_disk: number
  last_pg: string
  resends: number
}

/** What disks keep of their cluster. */
export interface RestoredCluster {
  name: string
  cluster_id: string
  incarnation: number
  map_epoch: number
  index: number
  time_ms: number
  volumes: number
  disks: { disk: number; peer: string; was_at: string; found_at: string | null }[]
  older: string[]
  unknown: string[]
  unreadable: string[]
  /** Of this peer, once it has begun anew. */
  peer_id?: number
}

interface Method<P, R> {
  params: P
  result: R
}

type Nothing = Record<string, never>

export interface DataMethods {
  hello: Method<{ protocol_min: number; protocol_max: number; client: string }, Hello>
  'cluster.init': Method<
    { name: string; peer_name: string; addresses: Address[]; domains: Domains },
    Membership
  >
  'cluster.token': Method<
    { ttl_ms: number; addresses: Address[] },
    { token: string; expires_at_ms: number }
  >
  'cluster.join': Method<
    {
      token: string
      witness: boolean
      peer_name: string
      addresses: Address[]
      domains: Domains
    },
    Membership
  >
  'cluster.leave': Method<Nothing, unknown>
  'cluster.recover': Method<{ name: string }, { incarnation: number }>
  'cluster.recover_from_disks': Method<
    {
      disks: string[]
      /** Of the cluster; null only looks. */
      name: string | null
      dry_run: boolean
      peer_name: string
      addresses: Address[]
      domains: Domains
    },
    RestoredCluster
  >
  'state.get': Method<{ known?: string }, ClusterState | UnchangedState>
  propose: Method<{ command: Command; proposal_id: string }, { outcome: Outcome; index: number }>
  'disk.probe': Method<{ path: string }, DiskProbe>
  'disk.add': Method<
    {
      path: string
      size: number | null
      class: DiskClass
      wipe: boolean
      existing: boolean
      reserve?: boolean
    },
    AddedDisk
  >
  'disk.list': Method<Nothing, LocalDisk[]>
  'disk.check': Method<{ disk_id: number }, { scrub: number }>
  'disk.remove': Method<{ disk_id: number }, unknown>
  'volume.attach': Method<
    {
      volume: string
      via: 'auto' | 'ublk' | 'nbd'
      read_only: boolean
      queues: number
      takeover: boolean
    },
    { device: string; kind: 'ublk' | 'nbd'; generation: number }
  >
  'volume.detach': Method<{ volume: string; force: boolean }, unknown>
  'export.create': Method<
    { volume: string; kind: 'nbd'; socket: string; takeover: boolean },
    { export_id: number; socket: string }
  >
  'export.delete': Method<{ export_id: number; force: boolean }, unknown>
  'volume.scrub': Method<{ volume: string }, { scrub: number }>
  'volume.usage': Method<{ volume: string }, { written_bytes: Record<string, number> }>
  'device.list': Method<Nothing, ServedDevice[]>
  'status.get': Method<Nothing, DataStatus>
  'metrics.get': Method<Nothing, { text: string }>
  'slow.list': Method<{ limit: number }, SlowOperation[]>
  shutdown: Method<{ deadline_ms: number }, unknown>
}

export type MethodName = keyof DataMethods

/** Of a state that was asked for with its own tag. */
export interface UnchangedState {
  tag: string
  unchanged: true
}

export type DataEvent =
  | { event: 'state.changed'; data: { index: number; map_epoch: number } }
  /** Of peers, as the leader sees them; or who leads. */
  | { event: 'sessions.changed'; data: Nothing }
  | { event: 'task'; data: TaskProgress }
  | { event: 'head.changed'; data: { volume: string; state: string } }
  | { event: 'store.changed'; data: { disk_id: number; state: string; reason: string | null } }
  | {
      event: 'event'
      data: { severity: 'info' | 'warn' | 'error'; code: string; message: string; subject: string }
    }

export interface TaskProgress {
  id: string
  kind: string
  done: number
  total: number
  unit: 'bytes' | 'items'
  state: 'running' | 'done' | 'failed'
  message: string | null
}
