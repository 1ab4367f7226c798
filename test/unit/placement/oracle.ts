// The least movement there is, by min-cost flow. Slow and simple: the judge, not the planner.
//
//     source → PG → PG's zones → racks → peers → disks → peers → racks → zones → sink
//                  (bounds of the policy)               (share, rounded down or up)
//
// A member costs 0 where the PG had it before, 1 elsewhere. Both sides are nested sets, so the
// optimum is whole.

import type { Domain, Policy, PolicyPlan, TopologyDisk } from '../../../src/placement/index.ts'
import { GRID } from '../../../src/placement/limits.ts'
import { MinCostFlow } from './min-cost-flow.ts'
import { capsOf, nameOf } from './world.ts'

const LEVELS: readonly Domain[] = ['zone', 'rack', 'peer']
/** Worth more than any movement, so that every lower bound is met where it can be. */
const MUST = 1_000_000

/** Members that move at least, from `before` to any table within one slot of the shares. */
export function leastMovement(
  disks: readonly TopologyDisk[],
  policy: Policy,
  planned: PolicyPlan,
  before: readonly (readonly unknown[])[],
): number {
  const flow = new MinCostFlow()
  const source = flow.node()
  const sink = flow.node()
  const keeps = disks.filter(
    one => ((one.state ?? 'in') === 'in' || one.state === 'down') && (one.weight ?? 1) > 0,
  )
  const shareOf = new Map(planned.table.disks.map((id, at) => [id, planned.shares[at]]))
  const { ends, mustCost } = addShares(flow, keeps, shareOf, sink)
  const caps = new Map(capsOf(policy))
  const isAway = awayFrom(policy, keeps)
  before.forEach(row => {
    addPg(flow, source, keeps, ends, caps, planned.membersPerPg, new Set(row), isAway)
  })
  const { amount, cost } = flow.run(source, sink)
  if (amount !== before.length * planned.membersPerPg) throw new Error(`flow of ${amount}`)
  const movement = cost + mustCost
  if (movement < 0 || movement > MUST) throw new Error(`bounds not met: ${movement}`)
  return movement
}

function addShares(
  flow: MinCostFlow,
  disks: readonly TopologyDisk[],
  shareOf: ReadonlyMap<unknown, number>,
  sink: number,
): { ends: number[]; mustCost: number } {
  let mustCost = 0
  const bounded = (from: number, to: number, share: number) => {
    const low = Math.floor(share / GRID)
    flow.edge(from, to, low, -MUST)
    flow.edge(from, to, Math.ceil(share / GRID) - low, 0)
    mustCost += low * MUST
  }
  const sums = new Map<string, number>()
  for (const one of disks) {
    for (const path of pathsOf(one)) sums.set(path, (sums.get(path) ?? 0) + shareOf.get(one.id)!)
  }
  const nodes = new Map<string, number>()
  const nodeOf = (paths: readonly string[]): number => {
    if (paths.length === 0) return sink
    const [path, ...above] = paths
    const known = nodes.get(path)
    if (known !== undefined) return known
    const node = flow.node()
    nodes.set(path, node)
    bounded(node, nodeOf(above), sums.get(path)!)
    return node
  }
  const ends = disks.map(one => {
    const end = flow.node()
    bounded(end, nodeOf(pathsOf(one)), shareOf.get(one.id)!)
    return end
  })
  return { ends, mustCost }
}

/** Names of the peer, rack and zone, lowest first, each with what lies above it. */
function pathsOf(one: TopologyDisk): string[] {
  return ['peer', 'rack', 'zone'].map(level => `${level} ${nameOf(one, level as Domain)}`)
}

/** Which disks are not in the zone where one member shall be; all may be where it has no disk. */
function awayFrom(policy: Policy, disks: readonly TopologyDisk[]): (one: TopologyDisk) => boolean {
  const { localize } = policy
  if (localize == null) return () => false
  if (!('zone' in localize)) throw new Error('the oracle knows no localized peers')
  const isMet = disks.some(one => one.zone === localize.zone)
  return one => isMet && one.zone !== localize.zone
}

function addPg(
  flow: MinCostFlow,
  source: number,
  disks: readonly TopologyDisk[],
  ends: readonly number[],
  caps: ReadonlyMap<Domain, number>,
  members: number,
  had: ReadonlySet<unknown>,
  isAway: (one: TopologyDisk) => boolean,
): void {
  const pg = flow.node()
  flow.edge(source, pg, members, 0)
  // All but one of the members may be away from the place of a localized policy.
  const away = flow.node()
  flow.edge(pg, away, members - 1, 0)
  const nodes = new Map<string, number>()
  disks.forEach((one, i) => {
    let above = isAway(one) ? away : pg
    for (const level of LEVELS) {
      const cap = caps.get(level)
      if (cap === undefined) continue
      const name = `${level} ${nameOf(one, level)}`
      let node = nodes.get(name)
      if (node === undefined) {
        node = flow.node()
        nodes.set(name, node)
        flow.edge(above, node, cap, 0)
      }
      above = node
    }
    flow.edge(above, ends[i], 1, had.has(one.id) ? 0 : 1)
  })
}
