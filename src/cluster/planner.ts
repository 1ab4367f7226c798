// Keeps a plan as long as it holds, so that carrying it out in steps does not plan at every step.
import type { ClusterState } from '../data/state.ts'
import { PlacementError, type Plan } from '../placement/index.ts'
import { planState } from './table-plan.ts'

/** The plan, or why there is none. */
export type Planned = { plan: Plan } | { fault: PlacementError }

/**
 * What a plan was made from; another one is another plan. Whoever carries it out goes on to the
 * same targets until the topology changes; whoever shows what is left to do looks at the tables too.
 */
export type PlanKey = (state: ClusterState) => string

export const byTopology: PlanKey = state => `${state.cluster_id} ${state.topology_epoch}`

export const byTables: PlanKey = state =>
  [byTopology(state), ...state.policies.map(policy => policy.table_epoch)].join(' ')

export class Planner {
  readonly #key: PlanKey
  #made: { key: string; planned: Promise<Planned> } | undefined

  constructor(key: PlanKey) {
    this.#key = key
  }

  plan(state: ClusterState): Promise<Planned> {
    const key = this.#key(state)
    if (this.#made?.key === key) return this.#made.planned
    const planned = attempt(state)
    planned.catch(() => this.forget())
    this.#made = { key, planned }
    return planned
  }

  /** Others carry plans out now: the next one begins where they got to. */
  forget(): void {
    this.#made = undefined
  }
}

async function attempt(state: ClusterState): Promise<Planned> {
  try {
    return { plan: await planState(state) }
  } catch (thrown) {
    if (thrown instanceof PlacementError) return { fault: thrown }
    throw thrown
  }
}
