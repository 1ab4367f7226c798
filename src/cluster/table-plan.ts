// From the cluster state to the placement and back: which rows of a policy's table have to change.

import type { PgMembers } from '../data/command.ts'
import { type ClusterState, type PgRecord, type PolicyRecord, width } from '../data/state.ts'
import { HOLE } from '../placement/limits.ts'
import { planTables } from '../placement/plan.ts'
import type { PgTable, Policy, Topology } from '../placement/types.ts'

/** Version of the placement function; committed with every table that it made. */
export const algorithmVersion = 1

export function topologyOf(state: ClusterState): Topology {
  const peers = new Map(state.peers.map(peer => [peer.id, peer]))
  return {
    disks: state.disks.map(disk => {
      const peer = peers.get(disk.peer)
      return {
        id: disk.id,
        peer: disk.peer,
        rack: peer?.domains.rack || null,
        zone: peer?.domains.zone || null,
        weight: disk.weight,
        class: disk.class,
        state: standing(disk.state, peer?.state ?? 'in'),
      }
    }),
  }
}

/** A disk is no better off than its peer. */
function standing(disk: string, peer: string): 'in' | 'draining' | 'out' | 'down' {
  for (const worse of ['out', 'draining', 'down'] as const) {
    if (disk === worse || peer === worse) return worse
  }
  return 'in'
}

/** Every policy's target, planned together because they share the disks. */
export function planTargets(state: ClusterState): Map<number, number[][]> {
  const disks = state.disks.map(disk => disk.id)
  const policies = state.policies.map(placementPolicy)
  const previous = state.policies
    .filter(policy => policy.pgs.length > 0)
    .map(policy => previousTable(policy, disks))
  const plan = planTables(topologyOf(state), policies, previous)
  return new Map(
    state.policies.map((policy, index) => [policy.id, rowsOf(plan.policies[index]!.table)]),
  )
}

/** Rows that differ from the target, in order, as the cluster state takes them. */
export function tableChanges(
  policy: PolicyRecord,
  target: number[][],
  rowsMax: number = Number.POSITIVE_INFINITY,
): PgMembers[] {
  const present = new Map(policy.pgs.map(pg => [pg.index, pg]))
  const changes: PgMembers[] = []
  for (const [index, members] of target.entries()) {
    if (members.length === 0) continue
    const change = rowChange(index, members, present.get(index))
    if (change) changes.push(change)
    if (changes.length >= rowsMax) break
  }
  return changes
}

function rowChange(
  index: number,
  members: number[],
  present: PgRecord | undefined,
): PgMembers | undefined {
  if (!present) return { index, members, leaving: [] }
  const isSettled = members.every(disk => present.in_sync.includes(disk))
  // Who holds acknowledged writes stays until all its successors do.
  const leaving = isSettled ? [] : present.in_sync.filter(disk => !members.includes(disk))
  const wanted = [...members, ...leaving]
  const isSame =
    wanted.length === present.members.length &&
    wanted.every((disk, position) => disk === present.members[position])
  return isSame ? undefined : { index, members, leaving }
}

function placementPolicy(policy: PolicyRecord): Policy {
  return {
    name: policy.id,
    copies: width(policy),
    domain: policy.failure_domain,
    class: policy.class,
    pgs: policy.pg_count,
  }
}

function previousTable(policy: PolicyRecord, disks: number[]): PgTable {
  const perPg = width(policy)
  const positions = new Map(disks.map((disk, position) => [disk, position]))
  const slots = new Uint16Array(policy.pg_count * perPg).fill(HOLE)
  for (const pg of policy.pgs) {
    // Those that shall stay come first; the leaving ones behind them are planned away already.
    for (const [position, disk] of pg.members.slice(0, perPg).entries())
      slots[pg.index * perPg + position] = positions.get(disk) ?? HOLE
  }
  return { name: policy.id, pgs: policy.pg_count, width: perPg, disks, slots }
}

function rowsOf(table: PgTable): number[][] {
  return Array.from({ length: table.pgs }, (_, index) =>
    Array.from(table.slots.subarray(index * table.width, (index + 1) * table.width))
      .filter(slot => slot !== HOLE)
      .map(slot => Number(table.disks[slot])),
  )
}
