import { checkPolicies } from './checked-policy.ts'
import { type CheckedTopology, checkTopology } from './checked-topology.ts'
import { PlacementError } from './errors.ts'
import { checkAmounts, checkFields, DISK_FIELDS, LOCALIZE_FIELDS, POLICY_FIELDS } from './fields.ts'
import { GRID, HOLE } from './limits.ts'
import { indexesOf, type Movement, movementBetween, type PeerMovement } from './movement.ts'
import { type PlanInput, plan } from './plan.ts'
import { spreadOf } from './spread.ts'
import { rowsOf, tablesFrom } from './table-json.ts'
import { type Tolerance, toleranceOf } from './tolerance.ts'
import type { Id, PgTable, Plan, PlanWarning, Policy, Spread, TopologyDisk } from './types.ts'

/** The form of the input file: a topology with the policies that are placed on it. */
export interface CapacityInput {
  readonly policies: readonly Policy[]
  readonly disks: readonly TopologyDisk[]
}

export interface CapacityOptions {
  /** What one disk writes or reads while data moves. */
  readonly bytesPerSecond: number
  /** Bytes of all members together. Default: fill x weight of all disks, full where unmeasured. */
  readonly usedBytes: number | null
}

export const CAPACITY_DEFAULTS: CapacityOptions = {
  bytesPerSecond: 100 * 1024 * 1024,
  usedBytes: null,
}

export interface PolicyOutput {
  readonly name: Id
  readonly pgs: number
  /** Disks of every PG, in order; null where a position is empty. */
  readonly table: (Id | null)[][]
  readonly members_per_pg: number
  /** Failures of each kind, at once, that lose no data. */
  readonly tolerates: Tolerance
}

export interface DiskOutput {
  readonly disk: Id
  readonly members: number
  readonly share: number
  readonly arriving: number
  readonly leaving: number
}

/** What `shoal placement plan` prints with --json. */
export interface CapacityOutput {
  readonly schema_version: 1
  readonly policies: PolicyOutput[]
  readonly moved: number
  readonly lower_bound: number
  /** Largest distance from the feasible share, in members. */
  readonly spread: Spread
  /** The same for the previous table, against today's shares; null without one. */
  readonly spread_before: Spread | null
  readonly seconds: number
  readonly moved_bytes: number
  readonly moves: PeerMovement[]
  readonly disks: DiskOutput[]
  readonly warnings: PlanWarning[]
}

/**
 * Capacity planning: what a topology would look like, and what it takes to get there from the
 * previous output. Needs no cluster; `previous` is an earlier output.
 */
export function planCapacity(
  input: unknown,
  previous: unknown = undefined,
  options: CapacityOptions = CAPACITY_DEFAULTS,
): CapacityOutput {
  const { disks, policies } = checkInput(input)
  const before = previous === undefined ? [] : tablesFrom(previous, policies)
  checkOptions(options)
  const all = { topology: { disks }, policies, previous: before }
  return capacityOf(all, plan(all), options)
}

/** The same for a plan that was made already, of tables that are at hand. */
export function capacityOf(
  input: PlanInput,
  planned: Plan,
  options: CapacityOptions,
): CapacityOutput {
  checkOptions(options)
  const { policies, previous: before = [] } = input
  const topology = checkTopology(input.topology)
  const tables = planned.policies.map(one => one.table)
  const movement = movementBetween(topology, before, tables)
  const bytesPerMember = bytesOfMember(topology, tables, options.usedBytes)
  return {
    schema_version: 1,
    policies: policyOutputs(topology, policies, planned),
    moved: planned.moved,
    lower_bound: planned.lowerBound,
    spread: planned.spread,
    spread_before: before.length === 0 ? null : spreadBefore(topology, before, planned),
    seconds: secondsOf(movement, bytesPerMember, options.bytesPerSecond),
    moved_bytes: Math.floor(planned.moved * bytesPerMember),
    moves: [...movement.between],
    disks: diskOutputs(topology, planned, movement),
    warnings: [...planned.warnings],
  }
}

function checkInput(input: unknown): CapacityInput {
  const { disks, policies } = (input ?? {}) as Partial<CapacityInput>
  if (Array.isArray(disks) && Array.isArray(policies)) {
    checkFields(input, ['policies', 'disks'], 'the topology file')
    policies.forEach((policy, i) => {
      checkFields(policy, POLICY_FIELDS, `policies[${i}]`)
      checkFields(policy?.localize, LOCALIZE_FIELDS, `policies[${i}].localize`)
    })
    disks.forEach((disk, i) => {
      checkFields(disk, DISK_FIELDS, `disks[${i}]`)
      checkAmounts(disk, `disks[${i}]`)
    })
    return { disks, policies }
  }
  throw new PlacementError(
    'bad_input',
    'the topology file has no lists "policies" and "disks"',
    'it looks like {"policies":[{"name":"a","copies":3}],"disks":[{"id":1,"peer":"p1"}]}',
  )
}

function checkOptions({ bytesPerSecond, usedBytes }: CapacityOptions): void {
  if (bytesPerSecond > 0 && Number.isFinite(bytesPerSecond)) {
    if (usedBytes === null || (usedBytes >= 0 && Number.isFinite(usedBytes))) return
  }
  throw new PlacementError('bad_limits', 'rate or size is no positive number', 'give bytes')
}

function policyOutputs(
  topology: CheckedTopology,
  policies: readonly Policy[],
  planned: Plan,
): PolicyOutput[] {
  const checked = checkPolicies(policies)
  return planned.policies.map(({ table, membersPerPg }, i) => ({
    name: table.name,
    pgs: table.pgs,
    table: rowsOf(table),
    members_per_pg: membersPerPg,
    tolerates: toleranceOf(topology, checked[i], table),
  }))
}

function countMembers(topology: CheckedTopology, tables: readonly PgTable[]): Int32Array {
  const loads = new Int32Array(topology.disks.length)
  for (const table of tables) {
    const indexes = indexesOf(topology, table)
    for (const disk of table.slots) {
      if (disk !== HOLE && indexes[disk] >= 0) loads[indexes[disk]] += 1
    }
  }
  return loads
}

function sumShares(topology: CheckedTopology, planned: Plan): Float64Array {
  const shares = new Float64Array(topology.disks.length)
  for (const policy of planned.policies) {
    for (let i = 0; i < shares.length; i++) shares[i] += policy.shares[i]
  }
  return shares
}

function spreadBefore(
  topology: CheckedTopology,
  before: readonly PgTable[],
  planned: Plan,
): Spread {
  const pgs = new Map(before.map(table => [table.name, table.pgs]))
  const shares = new Float64Array(topology.disks.length)
  for (const { table, shares: own } of planned.policies) {
    // Shares of as many PGs as there were.
    const part = (pgs.get(table.name) ?? 0) / table.pgs
    for (let i = 0; i < shares.length; i++) shares[i] += own[i] * part
  }
  return spreadOf(topology, countMembers(topology, before), shares)
}

/** Weights are bytes; as plain ratios (1, 4, 8) they are read as TiB. */
const RATIO_MAX = 2 ** 20
const TIB = 2 ** 40

function bytesOfMember(
  topology: CheckedTopology,
  tables: readonly PgTable[],
  usedBytes: number | null,
): number {
  let used = 0
  let members = 0
  for (const disk of topology.disks) {
    const bytes = disk.rawWeight < RATIO_MAX ? disk.rawWeight * TIB : disk.rawWeight
    used += bytes * (disk.fill ?? 1)
  }
  for (const load of countMembers(topology, tables)) members += load
  return members === 0 ? 0 : (usedBytes ?? used) / members
}

/** The busiest disk decides: every disk reads and writes at the given rate. */
function secondsOf(movement: Movement, bytesPerMember: number, bytesPerSecond: number): number {
  let most = 0
  for (let i = 0; i < movement.arriving.length; i++) {
    most = Math.max(most, movement.arriving[i], movement.leaving[i])
  }
  return Math.ceil((most * bytesPerMember) / bytesPerSecond)
}

function diskOutputs(topology: CheckedTopology, planned: Plan, movement: Movement): DiskOutput[] {
  const shares = sumShares(topology, planned)
  const members = countMembers(
    topology,
    planned.policies.map(one => one.table),
  )
  return topology.ids.map((disk, i) => ({
    disk,
    members: members[i],
    share: shares[i] / GRID,
    arriving: movement.arriving[i],
    leaving: movement.leaving[i],
  }))
}
