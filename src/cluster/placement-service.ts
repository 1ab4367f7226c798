// Changes that move data: planned before they are made, made, and shown as a tree.
import type { ClusterPort } from '../data/cluster-port.ts'
import { type ClusterState, peerName, policyName, width } from '../data/state.ts'
import {
  CAPACITY_DEFAULTS,
  type CapacityOutput,
  capacityOffLoop,
  type Id,
  planningBase,
  type TreeNode,
  treeOf,
} from '../placement/index.ts'
import { afterChange, type PolicyChange, type TopologyChange } from './change.ts'
import { commandsFor } from './change-commands.ts'
import { badPlacement } from './placement-fault.ts'
import { refuseShort } from './short-policy.ts'
import { planInput, topologyOf } from './table-plan.ts'

/** Used bytes of every disk, as far as its peer told. */
export type UsedBytes = () => Promise<ReadonlyMap<number, number>>

export interface ChangeOptions {
  /** Although groups will lack members. */
  mayBeShort?: boolean | undefined
  /** What one disk copies, to reckon the time. */
  bytesPerSecond?: number | null | undefined
}

export class PlacementService {
  readonly #cluster: ClusterPort
  readonly #usedBytes: UsedBytes
  readonly #self: string

  constructor(cluster: ClusterPort, usedBytes: UsedBytes, self: string) {
    this.#cluster = cluster
    this.#self = self
    this.#usedBytes = usedBytes
  }

  /** What a change would move; nothing is changed. */
  async preview(change: TopologyChange, bytesPerSecond: number | null): Promise<CapacityOutput> {
    const state = await this.#cluster.state()
    const used = await this.#usedBytes()
    return planned(afterChange(state, change, this.#self), used, bytesPerSecond)
  }

  /** Makes the change. PLANNED FIRST: what cannot be placed is refused and changes nothing. */
  async change(
    change: TopologyChange,
    { mayBeShort = false, bytesPerSecond = null }: ChangeOptions = {},
  ): Promise<CapacityOutput> {
    const state = await this.#cluster.state()
    const after = afterChange(state, change, this.#self)
    const plan = await planned(after, await this.#usedBytes(), bytesPerSecond)
    if (change.type === 'policy_set' && asksForMembers(change.change) && !mayBeShort) {
      const name = change.change.name ?? change.policy
      refuseShort(plan.warnings, name, name)
    }
    for (const command of commandsFor(state, change, after)) await this.#cluster.propose(command)
    return plan
  }

  /** Zones, racks, peers and disks, with names for people. */
  async tree(): Promise<TreeNode[]> {
    const state = await this.#cluster.state()
    const topology = topologyOf(state, await this.#usedBytes())
    const tables = state.policies
      .filter(policy => policy.pgs.length > 0)
      .map(policy =>
        planningBase({ name: policy.id, pgs: policy.pgs }, policy.pg_count, width(policy)),
      )
    return treeOf(topology, tables).map(node => namedNode(state, node))
  }
}

/** Whether it says how many members a group has, or which disks may be: else it was short before. */
function asksForMembers(change: PolicyChange): boolean {
  const { copies, failure_domain, max_per, labels } = change
  return [copies, failure_domain, change.class, max_per, labels].some(one => one !== null)
}

async function planned(
  state: ClusterState,
  used: ReadonlyMap<number, number>,
  bytesPerSecond: number | null,
): Promise<CapacityOutput> {
  const usedBytes = state.disks.reduce((sum, disk) => sum + (used.get(disk.id) ?? 0), 0)
  const options = {
    bytesPerSecond: bytesPerSecond ?? CAPACITY_DEFAULTS.bytesPerSecond,
    usedBytes,
  }
  const input = planInput(state)
  return named(state, await capacityOffLoop(input, options).catch(badPlacement))
}

/** Placement knows ids; people know names. */
function named(state: ClusterState, output: CapacityOutput): CapacityOutput {
  const policies = output.policies.map(policy => ({
    ...policy,
    name: policyOf(state, policy.name),
  }))
  const moves = output.moves.map(move => ({
    ...move,
    from: move.from === null ? null : peerOf(state, move.from),
    to: peerOf(state, move.to),
  }))
  const warnings = output.warnings.map(warning => {
    const isDisk = warning.code === 'slow_disk'
    const subject = isDisk ? warning.subject : policyOf(state, warning.subject)
    return { ...warning, subject }
  })
  return { ...output, policies, moves, warnings }
}

function policyOf(state: ClusterState, id: Id): string {
  return policyName(state, Number(id))
}

function peerOf(state: ClusterState, id: Id): string {
  return peerName(state, Number(id))
}

function namedNode(state: ClusterState, node: TreeNode): TreeNode {
  const children = node.children.map(child => namedNode(state, child))
  if (node.level === 'disk') return { ...node, children }
  if (node.level === 'peer') return { ...node, name: peerOf(state, node.name), children }
  // "peer 3" and "rack peer 3": who names no rack or zone stands for itself.
  const name = String(node.name).replace(/peer (\d+)$/, (_, id) => `peer ${peerOf(state, id)}`)
  return { ...node, name, children }
}
