import { checkPolicies } from './checked-policy.ts'
import { type CheckedTopology, checkTopology } from './checked-topology.ts'
import { domainTreeOf } from './domain-tree.ts'
import { PlacementError } from './errors.ts'
import { compareIds } from './ids.ts'
import { planPolicy, preparePolicy } from './plan-policy.ts'
import { roundPolicies } from './round-policies.ts'
import { addShort, shortOfAll } from './shortfall.ts'
import { slowDisks } from './slow-disks.ts'
import { spreadOf } from './spread.ts'
import type { Id, PgTable, Plan, PlanWarning, Policy, PolicyPlan, Topology } from './types.ts'

export interface PlanInput {
  readonly topology: Topology
  readonly policies: readonly Policy[]
  /** Where the data is. A join under way counts as a member; see `planningBase`. */
  readonly previous?: readonly PgTable[]
}

/**
 * The next PG table of every policy: a pure function of the previous tables, the topology and the
 * policies. The same bits on every machine, and for every order in which the input is listed.
 */
export function plan(input: PlanInput): Plan {
  const topology = checkTopology(input.topology)
  // Ties between policies go by their order, which must not depend on that of the list.
  const policies = checkPolicies(input.policies)
  const sorted = policies
    .slice()
    .sort((a, b) => compareText(String(a.name), String(b.name)) || compareIds(a.name, b.name))
  const previous = previousByName(input.previous ?? [])
  const domains = domainTreeOf(topology)
  const prepared = sorted.map(policy =>
    preparePolicy({ topology, domains, policy, previous: previous.get(policy.name) }),
  )
  roundPolicies(domains, prepared)
  const short = shortOfAll(domains, prepared)
  const warnings: PlanWarning[] = []
  const planned = new Map<Id, PolicyPlan>()
  for (const one of prepared) {
    addShort(short, one, one.target, -1)
    planned.set(one.input.policy.name, planPolicy(one, short, warnings))
    // Where the rules stood against its targets, those that come can still make up for it.
    addShort(short, one, one.board.load, 1)
  }
  warnings.push(...slowDisks(topology.disks))
  return summarize(
    topology,
    policies.map(policy => planned.get(policy.name) as PolicyPlan),
    warnings,
  )
}

/** The same with the arguments in a row. */
export function planTables(
  topology: Topology,
  policies: readonly Policy[],
  previous: readonly PgTable[] = [],
): Plan {
  return plan({ topology, policies, previous })
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function previousByName(tables: readonly PgTable[]): Map<Id, PgTable> {
  const byName = new Map<Id, PgTable>()
  for (const table of tables) {
    if (byName.has(table.name)) {
      throw new PlacementError(
        'bad_table',
        `two previous tables are named ${JSON.stringify(table.name)}`,
        'hand over one table per policy',
      )
    }
    byName.set(table.name, table)
  }
  return byName
}

function summarize(
  topology: CheckedTopology,
  policies: readonly PolicyPlan[],
  warnings: readonly PlanWarning[],
): Plan {
  const loads = new Int32Array(topology.disks.length)
  const shares = new Float64Array(topology.disks.length)
  let moved = 0
  let lowerBound = 0
  for (const policy of policies) {
    moved += policy.moved
    lowerBound += policy.lowerBound
    for (const disk of policy.table.slots) if (disk < loads.length) loads[disk] += 1
    for (let i = 0; i < shares.length; i++) shares[i] += policy.shares[i]
  }
  const spread = spreadOf(topology, loads, shares)
  return { disks: topology.ids, policies, moved, lowerBound, spread, warnings }
}
