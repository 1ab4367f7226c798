// From the cluster state to the placement: its disks, its policies, and where the data is now.

import { type ClusterState, type PolicyRecord, width } from '../data/state.ts'
import {
  type Plan,
  type PlanInput,
  type Policy,
  type PolicyNow,
  planningBase,
  planOffLoop,
  type Topology,
  type TopologyDisk,
} from '../placement/index.ts'

/** Version of the placement function; committed with every table that it made. */
export const algorithmVersion = 2

/** A share as the weight says; the cluster state counts factors in parts of it. */
export const fillFactorOne = 1024

/** Used bytes and write times as far as the peers told: they are shown, and change no plan. */
export function topologyOf(
  state: ClusterState,
  usedBytes: ReadonlyMap<number, number> = new Map(),
  writeUs: ReadonlyMap<number, number> = new Map(),
): Topology {
  const peers = new Map(state.peers.map(peer => [peer.id, peer]))
  return {
    disks: state.disks.map((disk): TopologyDisk => {
      const peer = peers.get(disk.peer)
      const used = usedBytes.get(disk.id)
      return {
        id: disk.id,
        peer: disk.peer,
        rack: peer?.domains.rack || null,
        zone: peer?.domains.zone || null,
        weight: disk.weight,
        // In the unit of the weight: the part of the disk that is kept free.
        reserve: (disk.weight * disk.reserve_bytes) / disk.size_bytes,
        factor: disk.fill_factor / fillFactorOne,
        class: disk.class,
        labels: disk.labels,
        state: standing(disk.state, peer?.state ?? 'in'),
        latency_us: writeUs.get(disk.id) ?? null,
        fill: used === undefined ? null : Math.min(1, used / disk.size_bytes),
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

export function placementPolicy(policy: PolicyRecord): Policy {
  return {
    name: policy.id,
    copies: width(policy),
    domain: policy.failure_domain,
    max_per: policy.max_per,
    class: policy.class,
    labels: policy.labels,
    localize: policy.localize,
    pgs: policy.pg_count,
  }
}

/** All policies together, because they share the disks; from where the data is. */
export function planInput(state: ClusterState): PlanInput {
  return {
    topology: topologyOf(state),
    policies: state.policies.map(placementPolicy),
    previous: state.policies
      .filter(policy => policy.pgs.length > 0)
      .map(policy =>
        planningBase({ name: policy.id, pgs: policy.pgs }, writtenPgs(policy), width(policy)),
      ),
  }
}

/** Groups that there were before the policy got more of them, which hold no data yet. */
function writtenPgs({ pgs, pg_count }: PolicyRecord): number {
  const last = pgs.reduce((most, pg) => Math.max(most, pg.index), 0)
  let count = pg_count
  while (count > 1 && last < count / 2) count /= 2
  return count
}

/** In a thread of its own when it is large. */
export function planState(state: ClusterState): Promise<Plan> {
  return planOffLoop(planInput(state))
}

/** Where every policy's groups are, and where they shall be. */
export function policiesNow(state: ClusterState, plan: Plan): PolicyNow[] {
  const targets = new Map(plan.policies.map(({ table }) => [table.name, table]))
  return state.policies.flatMap(policy => {
    const target = targets.get(policy.id)
    return target === undefined ? [] : [{ name: policy.id, pgs: policy.pgs, target }]
  })
}
