// A volume whose newest copies are gone for good goes on from older ones: what that would mean.
import { disksAway } from '../cluster/views.ts'
import {
  type ClusterState,
  type DiskRecord,
  isActive,
  type PgRecord,
  pgsOf,
  type Standing,
  type VolumeRecord,
} from '../data/state.ts'
import { lineageSeed, pgOfExtent } from '../placement/index.ts'

export interface Promotion {
  pg: { policy: number; index: number }
  /** The newest of the stale members. */
  disk: number
  expected: number
}

export interface Range {
  offset: number
  length: number
}

export interface RecoveryPlan {
  promotions: Promotion[]
  /** Placement groups of the volume that have nothing to go on from. */
  hopeless: number
  /** What may be old, in order; the first of many. */
  ranges: Range[]
  old_bytes: number
  /** Volumes that share these placement groups, and may be old as well. */
  others: string[]
}

const blockBytes = 4096
const rangesMax = 1_000

/** `gone`: disks that will never come back. */
export function planRecovery(
  state: ClusterState,
  volume: VolumeRecord,
  gone: ReadonlySet<number>,
): RecoveryPlan {
  const used = groupsOf(state, volume)
  const pgs = pgsOf(state, volume.policy).filter(pg => used.has(pg.index))
  const dead = pgs.filter(pg => pg.in_sync.every(disk => gone.has(disk)))
  const promotions = dead.flatMap(pg => {
    const disk = newestStale(pg, gone)
    const name = { policy: volume.policy, index: pg.index }
    return disk === null ? [] : [{ pg: name, disk, expected: pg.epoch }]
  })
  const indexes = new Set(promotions.map(one => one.pg.index))
  const others = state.volumes.filter(
    one => isActive(one) && one.id !== volume.id && one.policy === volume.policy,
  )
  return {
    promotions,
    hopeless: dead.length - promotions.length,
    ...rangesIn(state, volume, indexes),
    others: indexes.size === 0 ? [] : others.map(one => one.name),
  }
}

/** Last in sync in the newest epoch; one whose data is worth nothing is no copy. */
function newestStale(pg: PgRecord, gone: ReadonlySet<number>): number | null {
  const candidates = pg.out
    .filter(one => !one.full && !gone.has(one.disk))
    .sort((a, b) => b.out_at - a.out_at || a.disk - b.disk)
  return candidates[0]?.disk ?? null
}

/** What is heard of others besides the cluster state. A guess: the leader refuses a wrong one. */
export interface Seen {
  isPeerAway: (peer: number) => boolean
  /** As the data process that holds the disk calls it; undefined where nobody told. */
  storeState: (disk: number) => string | undefined
}

const brokenStates: readonly (string | undefined)[] = ['failed', 'fenced']

/**
 * Disks that are really away. What drains, and what was put out, SERVES ON until its successors are in
 * sync, and may have the newest copy; as long as it is so, its state does not tell that it went away.
 */
export function goneDisks(state: ClusterState, seen: Seen): ReadonlySet<number> {
  const away = disksAway(state)
  const told = new Set(state.disks_down.map(one => one.disk))
  const silent = new Set(
    state.peers
      .filter(({ id, state }) => isLeft(state) && seen.isPeerAway(id))
      .map(peer => peer.id),
  )
  const isGone = (disk: DiskRecord) =>
    away.has(disk.id) ||
    silent.has(disk.peer) ||
    (isLeft(disk.state) && brokenStates.includes(seen.storeState(disk.id))) ||
    (state.given_up.includes(disk.id) && told.has(disk.id))
  return new Set(state.disks.filter(isGone).map(disk => disk.id))
}

function isLeft(state: Standing): boolean {
  return state === 'draining' || state === 'out'
}

function groupsOf(state: ClusterState, volume: VolumeRecord): ReadonlySet<number> {
  const found = new Set<number>()
  for (const { pg } of extentsOf(state, volume)) {
    found.add(pg)
    if (found.size === volume.pg_count) break
  }
  return found
}

function rangesIn(state: ClusterState, volume: VolumeRecord, groups: ReadonlySet<number>) {
  const ranges: Range[] = []
  let old_bytes = 0
  for (const { offset, length, pg } of extentsOf(state, volume)) {
    if (!groups.has(pg)) continue
    old_bytes += length
    const last = ranges.at(-1)
    if (last && last.offset + last.length === offset) last.length += length
    else if (ranges.length < rangesMax) ranges.push({ offset, length })
  }
  return { ranges, old_bytes }
}

function* extentsOf(state: ClusterState, volume: VolumeRecord) {
  const policy = state.policies.find(one => one.id === volume.policy)!
  const extentBytes = policy.blocks_per_extent * blockBytes
  const seed = lineageSeed(BigInt(volume.lineage))
  for (let extent = 0; extent * extentBytes < volume.size_bytes; extent++) {
    const offset = extent * extentBytes
    const length = Math.min(extentBytes, volume.size_bytes - offset)
    yield { offset, length, pg: pgOfExtent(seed, extent, volume.pg_count) }
  }
}
