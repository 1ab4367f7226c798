// Policies: how volumes are protected, and the table of placement groups that follows from it.
import { ShoalError } from '../common/errors.ts'
import { checkName } from '../common/names.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { NewPolicyRecord, PgMembers } from '../data/command.ts'
import type { ClusterState, DiskClass, FailureDomain, PolicyRecord } from '../data/state.ts'
import { nextBatch } from '../placement/index.ts'
import { localizeOf } from './localize.ts'
import { badPlacement } from './placement-fault.ts'
import { refuseShort } from './short-policy.ts'
import { suitedPgCount } from './suited-groups.ts'
import { algorithmVersion, planState, policiesNow, topologyOf } from './table-plan.ts'
import { type PolicyView, policyView, volumesOf } from './views.ts'

/** 4 MiB of 4 KiB blocks: one extent, the unit of placement. */
const blocksPerExtent = 1024
/** Placement is computed anew this often when the cluster changes meanwhile. */
const planAttemptsMax = 5

export interface NewPolicy {
  name: string
  copies: number
  /** Null: one less than the copies, at least 1. */
  min_in_sync: number | null
  failure_domain: FailureDomain
  class: DiskClass | null
  pg_count: number | null
  max_per?: Partial<Record<FailureDomain, number>> | undefined
  labels?: string[] | undefined
  /** `peer:NAME` or `zone:NAME`. */
  localize?: string | null | undefined
  /** Although there are fewer domains than copies. */
  allow_short?: boolean | undefined
  dry_run: boolean
}

export class Policies {
  readonly #cluster: ClusterPort

  constructor(cluster: ClusterPort) {
    this.#cluster = cluster
  }

  async list(): Promise<PolicyView[]> {
    const state = await this.#cluster.state()
    return state.policies.map(policy => policyView(state, policy))
  }

  async show(name: string): Promise<PolicyView> {
    const state = await this.#cluster.state()
    return policyView(state, findPolicy(state, name))
  }

  async create(wanted: NewPolicy): Promise<PolicyView> {
    const name = checkName('policy', wanted.name)
    const state = await this.#cluster.state()
    if (state.policies.some(policy => policy.name === name)) {
      throw new ShoalError('exists', `there is a policy named ${name} already`, {
        next: `see: shoal policy show ${name}`,
      })
    }
    const record = newRecord(state, name, wanted)
    // Planned BEFORE it is proposed: a policy that cannot be placed at all is not created.
    const rules = rulesOf(state, wanted)
    const follows_disks = wanted.pg_count === null
    const draft = withDraft(state, record, { ...rules, follows_disks })
    const plan = await planState(draft).catch(badPlacement)
    if (!wanted.allow_short) refuseShort(plan.warnings, draftId, name)
    if (wanted.dry_run) return policyView(draft, findPolicy(draft, name))
    const { policy } = await this.#cluster.propose({ type: 'create_policy', policy: record })
    await this.#complete(policy!, rules, follows_disks)
    await this.#place(name)
    return this.show(name)
  }

  async delete(name: string): Promise<void> {
    const state = await this.#cluster.state()
    const policy = findPolicy(state, name)
    const used = volumesOf(state, policy.id)
    if (used.length > 0) {
      throw new ShoalError('busy', `policy ${name} is in use by ${used.length} volumes`, {
        why: used.map(volume => volume.name).join(', '),
        next: `delete them first: shoal volume delete ${used[0]!.name}`,
      })
    }
    await this.#cluster.propose({ type: 'delete_policy', policy: policy.id })
  }

  /** A policy without the rules that were asked for is none. A count that was given is kept. */
  async #complete(policy: number, rules: Rules, follows_disks: boolean): Promise<void> {
    const unchanged = { redundancy: null, min_in_sync: null, failure_domain: null, class: null }
    try {
      if (isRuled(rules))
        await this.#cluster.propose({ type: 'set_policy_placement', policy, ...unchanged, rules })
      if (follows_disks)
        await this.#cluster.propose({ type: 'set_policy_growth', policy, follows_disks })
    } catch (thrown) {
      await this.#cluster.propose({ type: 'delete_policy', policy })
      throw thrown
    }
  }

  /** The reconciler of the leader may be faster; then there is nothing left to change. */
  async #place(name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const state = await this.#cluster.state()
      const policy = findPolicy(state, name)
      const changes = await firstRows(state, policy.id)
      if (changes.length === 0) return
      try {
        await this.#cluster.propose({
          type: 'set_pg_table',
          policy: policy.id,
          expected_map_epoch: state.map_epoch,
          algorithm_version: algorithmVersion,
          changes,
        })
        return
      } catch (thrown) {
        const isRace = thrown instanceof ShoalError && thrown.data?.code === 'stale'
        if (!isRace || attempt >= planAttemptsMax) throw thrown
      }
    }
  }
}

export function findPolicy(state: ClusterState, name: string): PolicyRecord {
  const policy = state.policies.find(one => one.name === name)
  if (policy) return policy
  throw new ShoalError('not_found', `there is no policy named ${name}`, {
    next: 'shoal policy list names them all',
  })
}

function newRecord(state: ClusterState, name: string, wanted: NewPolicy): NewPolicyRecord {
  const min_in_sync = wanted.min_in_sync ?? Math.max(1, wanted.copies - 1)
  if (min_in_sync > wanted.copies) {
    throw new ShoalError(
      'bad_request',
      `${min_in_sync} of ${wanted.copies} copies cannot be in sync`,
      {
        next: `choose --min-in-sync between 1 and ${wanted.copies}`,
      },
    )
  }
  const redundancy = { replicas: { copies: wanted.copies } }
  const { labels = [] } = wanted
  return {
    name,
    redundancy,
    failure_domain: wanted.failure_domain,
    class: wanted.class,
    min_in_sync,
    reads: 'lease',
    blocks_per_extent: blocksPerExtent,
    pg_count: wanted.pg_count ?? suitedPgCount(state, { redundancy, class: wanted.class, labels }),
    algorithm_version: algorithmVersion,
  }
}

/** Rows of groups that have no members yet: they hold no data and cost nothing. */
async function firstRows(state: ClusterState, policy: number): Promise<PgMembers[]> {
  const plan = await planState(state).catch(badPlacement)
  const now = policiesNow(state, plan).filter(one => one.name === policy)
  const nothingMoves = { perDisk: 0, perPeer: 0, total: 0 }
  const { changes } = nextBatch(now, topologyOf(state), nothingMoves)
  const placed = new Set(now.flatMap(one => one.pgs.map(pg => pg.index)))
  return changes
    .filter(change => !placed.has(change.index))
    .map(({ index, members }) => ({ index, members: members.map(Number), leaving: [] }))
    .sort((a, b) => a.index - b.index)
}

/** No policy has the id 0: ids count from 1. */
const draftId = 0

type Rules = Pick<PolicyRecord, 'max_per' | 'labels' | 'localize'>

function rulesOf(state: ClusterState, wanted: NewPolicy): Rules {
  const { max_per = {}, labels = [], localize } = wanted
  return {
    max_per,
    labels: [...new Set(labels)].sort(),
    localize: localize == null ? null : localizeOf(state, localize),
  }
}

function isRuled({ max_per, labels, localize }: Rules): boolean {
  return Object.keys(max_per).length > 0 || labels.length > 0 || localize !== null
}

function withDraft(
  state: ClusterState,
  record: NewPolicyRecord,
  rules: Rules & Pick<PolicyRecord, 'follows_disks'>,
): ClusterState {
  const draft = { ...record, ...rules, id: draftId, table_epoch: 0, pgs: [] }
  return { ...state, policies: [...state.policies, draft] }
}
