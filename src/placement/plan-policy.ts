import { Board } from './board.ts'
import { resolveChains } from './chains.ts'
import { type CheckedPolicy, choosePgCount } from './checked-policy.ts'
import type { CheckedTopology } from './checked-topology.ts'
import { Chooser } from './choose.ts'
import { type DomainTree, domainsOf } from './domain-tree.ts'
import type { Rounding } from './even-sums.ts'
import { fillHoles } from './fill.ts'
import { GRID, HOLE } from './limits.ts'
import { hashOrder, hashText } from './mix.ts'
import { moveDirectly } from './moves.ts'
import { buildPolicyTree, DISK, type PolicyTree, ROOT } from './policy-tree.ts'
import { keepPositions } from './positions.ts'
import { checkGrowth, inTopology, inTree, narrow, outOfTree, reshape } from './previous.ts'
import { balanceReaders } from './readers.ts'
import { feasibleShares } from './share.ts'
import { shortenDetours } from './shorten.ts'
import { ofNodes } from './shortfall.ts'
import { spreadOf } from './spread.ts'
import { stripOffenders } from './strip.ts'
import { type Windows, windowsOf } from './targets.ts'
import type { PgTable, PlanWarning, PolicyPlan } from './types.ts'

export interface PolicyInput {
  readonly topology: CheckedTopology
  readonly domains: DomainTree
  readonly policy: CheckedPolicy
  readonly previous: PgTable | undefined
}

/** What is known of a policy before anything is chosen, and then what every node of its tree shall have. */
export interface Prepared extends Rounding {
  readonly input: PolicyInput
  readonly before: Before
  readonly board: Board
}

interface Before {
  readonly pgs: number
  /** PGs that there were; the others hold no data, and whoever comes there costs nothing. */
  readonly written: number
  /** Positions per PG: more than the policy has members, where it had more before. */
  readonly width: number
  /** Members where the data is, by index of the topology. */
  readonly slots: Uint16Array
}

export function preparePolicy(input: PolicyInput): Prepared {
  const { topology, policy, domains: all } = input
  const tree = buildPolicyTree(topology, policy)
  const before = start(input, tree)
  const share = feasibleShares(tree, before.pgs)
  const board = new Board(tree, inTree(before.slots, tree), before.pgs, before.width)
  const [domains, load] = [domainsOf(tree, all), board.diskLoads()]
  return {
    input,
    tree,
    domains,
    share,
    load,
    before,
    board,
    target: new Int32Array(tree.nodeCount),
  }
}

/** Every node has its share already, rounded down or up. */
export function isSettled({ tree, share, board }: Prepared): boolean {
  for (let node = ROOT; node < tree.nodeCount; node++) {
    if (Math.abs(board.load[node] * GRID - share[node]) >= GRID) return false
  }
  return true
}

/** The table with the targets that were chosen. `others`: what they leave each domain short of. */
export function planPolicy(
  prepared: Prepared,
  others: Float64Array,
  warnings: PlanWarning[],
): PolicyPlan {
  const { input, tree, share, target, before, board } = prepared
  const { topology, policy, previous } = input
  board.aim(target)
  const windows = windowsOf(tree, share, target, ofNodes(prepared, others))
  const free = (before.pgs - before.written) * tree.membersPerPg
  const { bound, holes, chainChecks } = settleBoard(board, windows, policy, free)
  const wide = outOfTree(board.slots, tree)
  const slots = narrow(wide, before.width, policy.width)
  const shares = sharesInTopology(tree, share, topology.disks.length)
  const spread = spreadOf(topology, loadsOf(slots, topology.disks.length), shares)
  warn(prepared, holes, Math.max(spread.disk, spread.peer, spread.rack, spread.zone), warnings)
  const name = policy.name
  return {
    table: { name, pgs: before.pgs, width: policy.width, disks: topology.ids, slots },
    moved: previous === undefined ? 0 : countMoved(before, wide),
    lowerBound: previous === undefined ? 0 : bound,
    membersPerPg: tree.membersPerPg,
    shares,
    spread,
    chainChecks,
  }
}

function start(input: PolicyInput, tree: PolicyTree): Before {
  const { topology, policy, previous } = input
  const pgs = policy.pgs ?? previous?.pgs ?? choosePgCount(tree.diskCount, policy.width)
  if (previous === undefined) {
    const slots = new Uint16Array(pgs * policy.width).fill(HOLE)
    return { pgs, written: pgs, width: policy.width, slots }
  }
  checkGrowth(previous, policy, pgs)
  const slots = reshape(inTopology(previous, topology), previous, pgs, policy.width)
  return { pgs, written: previous.pgs, width: slots.length / pgs, slots }
}

interface Settled {
  /** Members that have to arrive somewhere, whatever the table. */
  readonly bound: number
  readonly holes: number
  readonly chainChecks: number
}

/** Steps 4 to 9 of docs/placement.md. `free`: members that come to PGs without data. */
function settleBoard(board: Board, windows: Windows, policy: CheckedPolicy, free: number): Settled {
  const seed = hashText(String(policy.name))
  const order = hashOrder(board.pgs, seed)
  const chooser = new Chooser(board, seed)
  const missing = missingOnDisks(board)
  const bound = Math.max(missing, stripOffenders(board, order)) - free
  const holes = fillHoles(board, chooser, order)
  moveDirectly(board, chooser, order)
  const chainChecks = resolveChains(board, chooser, order)
  shortenDetours(board, windows, board.newcomers() - free > bound)
  keepPositions(board)
  if (!policy.isErasureCoded) balanceReaders(board, order)
  return { bound, holes, chainChecks }
}

function missingOnDisks(board: Board): number {
  let missing = 0
  for (let disk = 0; disk < board.tree.diskCount; disk++) {
    missing += Math.max(0, board.missing(disk))
  }
  return missing
}

function sharesInTopology(tree: PolicyTree, share: Float64Array, disks: number): Float64Array {
  const shares = new Float64Array(disks)
  const diskBase = tree.levelFirst[DISK]
  for (let i = 0; i < tree.diskCount; i++) shares[tree.toTopology[i]] = share[diskBase + i]
  return shares
}

function loadsOf(slots: Uint16Array, disks: number): Int32Array {
  const loads = new Int32Array(disks)
  for (const disk of slots) if (disk !== HOLE) loads[disk] += 1
  return loads
}

/** Members of the new rows that the old rows did not have. */
function countMoved({ slots: before, width, written }: Before, after: Uint16Array): number {
  let moved = 0
  for (let first = 0; first < written * width; first += width) {
    for (let at = first; at < first + width; at++) {
      const disk = after[at]
      if (disk === HOLE || disk === before[at]) continue
      let isNew = true
      for (let was = first; was < first + width; was++) if (before[was] === disk) isNew = false
      if (isNew) moved++
    }
  }
  return moved
}

function warn(
  { input: { policy }, tree }: Prepared,
  holes: number,
  deviation: number,
  warnings: PlanWarning[],
): void {
  const subject = policy.name
  if (tree.diskCount === 0) {
    warnings.push({ code: 'no_eligible_disk', message: 'no disk may hold this policy', subject })
  } else if (tree.membersPerPg < policy.width) {
    const message = `the topology has room for ${tree.membersPerPg} of ${policy.width} members`
    warnings.push({ code: 'short_pgs', message, subject })
  }
  if (!tree.isLocalizeMet) {
    const message = 'the place that one member shall be in has no disk for this policy'
    warnings.push({ code: 'localize_unmet', message, subject })
  }
  if (holes > 0) warnings.push({ code: 'holes', message: `${holes} members have no disk`, subject })
  if (deviation >= 1) {
    const message = `a domain is ${deviation.toFixed(2)} slots from its share`
    warnings.push({ code: 'deviation', message, subject })
  }
}
