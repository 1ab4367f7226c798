// Which members to bring up to date next: out of sync, on a disk that is there, bounded in number.
import type { Command } from '../../data/command.ts'
import type { ClusterState, PgRecord } from '../../data/state.ts'

/** A head writes to at most so many members, those in sync and the one that joins. */
const targetsMax = 8

export interface JoinLimits {
  /** Placement groups that are joining at the same time, in the whole cluster. */
  joinsMax: number
  /** Longest time that one who was lost again and again is held back. */
  holdBackMsMax: number
}

/** Disks that do not join for now. */
export interface HeldDisks {
  /** They found no room: no group would be helped. */
  withoutRoom: ReadonlySet<number>
  /** Lost again and again: groups that can do without wait. */
  flapping: ReadonlySet<number>
}

interface Candidate {
  policy: number
  pg: PgRecord
  disk: number
  /** Fewer copies in sync come first. */
  inSync: number
}

export function planJoins(
  state: ClusterState,
  presentDisks: ReadonlySet<number>,
  held: HeldDisks,
  limits: JoinLimits,
): Command[] {
  const load = new JoinLoad(state, limits)
  const candidates = state.policies
    .flatMap(policy =>
      policy.pgs.flatMap(pg => {
        // A wait is for groups that can do without.
        const isSpared = pg.in_sync.length > 1 && pg.in_sync.length >= policy.min_in_sync
        const mayJoin = (disk: number) =>
          presentDisks.has(disk) &&
          !held.withoutRoom.has(disk) &&
          !(isSpared && held.flapping.has(disk))
        return candidate(policy.id, pg, presentDisks, mayJoin)
      }),
    )
    .sort((a, b) => a.inSync - b.inSync || a.policy - b.policy || a.pg.index - b.pg.index)
    .filter(one => load.admit(one.disk))
  if (candidates.length === 0) return []
  const items = candidates.map(({ policy, pg, disk }) => ({
    pg: { policy, index: pg.index },
    disk,
    expected: pg.epoch,
  }))
  return [{ type: 'pg_join', items }]
}

/** A joiner that went away holds back others, and whatever heads write to its group. */
export function planCancels(state: ClusterState, presentDisks: ReadonlySet<number>): Command[] {
  return state.policies.flatMap(policy =>
    policy.pgs.flatMap(({ index, epoch, joining }): Command[] => {
      if (joining === null || presentDisks.has(joining.disk)) return []
      const pg = { policy: policy.id, index }
      return [{ type: 'pg_cancel_join', pg, disk: joining.disk, expected: epoch }]
    }),
  )
}

/** One member joins at a time; whoever has an in-sync source to copy from. */
function candidate(
  policy: number,
  pg: PgRecord,
  presentDisks: ReadonlySet<number>,
  mayJoin: (disk: number) => boolean,
): Candidate[] {
  if (pg.joining !== null || pg.in_sync.length >= targetsMax) return []
  if (!pg.in_sync.some(disk => presentDisks.has(disk))) return []
  const disk = pg.members.find(one => !pg.in_sync.includes(one) && mayJoin(one))
  return disk === undefined ? [] : [{ policy, pg, disk, inSync: pg.in_sync.length }]
}

/** Joins per disk and peer, with those that run. Pausing holds back moves, never a join. */
class JoinLoad {
  readonly #peerOf: ReadonlyMap<number, number>
  readonly #bounds: { disk: number; peer: number; total: number }
  readonly #ofDisk = new Map<number, number>()
  readonly #ofPeer = new Map<number, number>()
  #total = 0

  constructor(state: ClusterState, limits: JoinLimits) {
    const { per_disk, per_peer, total } = state.movement
    this.#peerOf = new Map(state.disks.map(disk => [disk.id, disk.peer]))
    // A limit of nothing would leave data without its copies for ever.
    const atLeastOne = (limit: number) => Math.max(1, limit)
    this.#bounds = {
      disk: atLeastOne(per_disk),
      peer: atLeastOne(per_peer),
      total: atLeastOne(Math.min(total, limits.joinsMax)),
    }
    for (const { pgs } of state.policies) {
      for (const { joining } of pgs) if (joining) this.#add(joining.disk)
    }
  }

  admit(disk: number): boolean {
    const ofDisk = this.#ofDisk.get(disk) ?? 0
    const ofPeer = this.#ofPeer.get(this.#peerOf.get(disk) ?? 0) ?? 0
    const { disk: perDisk, peer: perPeer, total } = this.#bounds
    if (this.#total >= total || ofDisk >= perDisk || ofPeer >= perPeer) return false
    this.#add(disk)
    return true
  }

  #add(disk: number): void {
    const peer = this.#peerOf.get(disk) ?? 0
    this.#ofDisk.set(disk, (this.#ofDisk.get(disk) ?? 0) + 1)
    this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 0) + 1)
    this.#total++
  }
}
