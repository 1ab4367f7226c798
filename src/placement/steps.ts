import { PlacementError } from './errors.ts'
import { atOnce, inTurns } from './in-turns.ts'
import { chooseLeaving } from './leaving.ts'
import { HOLE, ROWS_AT_ONCE } from './limits.ts'
import { mix32 } from './mix.ts'
import type { Id, PgTable, Topology, TopologyDisk } from './types.ts'

/** A PG as the cluster state has it. */
export interface PgNow {
  readonly index: number
  /** Those that shall hold it, then those that leave as the others get in sync. */
  readonly members: readonly Id[]
  readonly in_sync: readonly Id[]
}

export interface PolicyNow {
  readonly name: Id
  readonly pgs: readonly PgNow[]
  readonly target: PgTable
}

/** Members that may be filled at the same time; what runs is always finished. */
export interface StepLimits {
  readonly perDisk: number
  readonly perPeer: number
  readonly total: number
  /** Only PGs that lack members in sync are helped; nothing else begins to move. */
  readonly isPaused?: boolean
}

/** A row to be committed: its members as the target has them, and who stays until they are full. */
export interface RowChange {
  readonly policy: Id
  readonly index: number
  readonly members: readonly Id[]
  readonly leaving: readonly Id[]
}

export interface Batch {
  readonly changes: readonly RowChange[]
  /** Members being filled, with those of this batch. */
  readonly running: number
  /** Members that will have to be filled and are not begun. */
  readonly waiting: number
  /** Members that stay where they shall not, because nothing may take their place. */
  readonly stuck: number
}

/**
 * The next small part of the way from where the PGs are to their targets: bounded per disk and
 * per peer, most endangered PGs first. A member leaves only after its successor is in sync;
 * who is in sync and shall stay is never touched. Where the topology has too few places for a whole
 * row, members on disks that are not out stay beyond their time: a drain never costs a copy.
 * Nothing is filled on a disk that is down or out.
 *
 * It looks at the cluster state alone, so a change of targets midway needs nothing: plan anew from
 * `planningBase`, and go on.
 */
export function nextBatch(
  policies: readonly PolicyNow[],
  topology: Topology,
  limits: StepLimits,
): Batch {
  return atOnce(lookAtAll(policies, topology, limits))
}

/** The same, never holding the event loop for more than a few milliseconds. */
export function nextBatchInTurns(
  policies: readonly PolicyNow[],
  topology: Topology,
  limits: StepLimits,
): Promise<Batch> {
  return inTurns(lookAtAll(policies, topology, limits))
}

/** Yields between parts of the rows. */
export function* lookAtAll(
  policies: readonly PolicyNow[],
  topology: Topology,
  limits: StepLimits,
): Generator<void, Batch> {
  const load = new FillLoad(topology, limits)
  const places = new Map(topology.disks.map(disk => [disk.id, disk]))
  const found: Found = { load, places, changes: [], wanted: [], stuck: 0 }
  for (const policy of policies) {
    const now: (PgNow | undefined)[] = new Array(policy.target.pgs).fill(undefined)
    for (const pg of policy.pgs) if (pg.index < now.length) now[pg.index] = pg
    for (let index = 0; index < now.length; index++) {
      if (!isAtRest(policy.target, now[index])) look(policy, index, now[index], found)
      if (index % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield
    }
  }
  const { changes, wanted, stuck } = found
  wanted.sort((a, b) => a.safe - b.safe || a.order - b.order)
  let waiting = 0
  for (const one of wanted) {
    const mayBegin = one.isEndangered || limits.isPaused !== true
    if (mayBegin && load.admit(one.fills, one.drops)) changes.push(one.change)
    else waiting += one.fills.length
  }
  return { changes, running: load.running, waiting, stuck }
}

interface Found {
  readonly load: FillLoad
  readonly places: ReadonlyMap<Id, TopologyDisk>
  readonly changes: RowChange[]
  readonly wanted: Wanted[]
  stuck: number
}

/**
 * The table to plan from: who holds the data, with joins under way counted as done. What is not
 * begun costs nothing to call off; what is begun goes on where the new plan allows it.
 */
export function planningBase(
  policy: { readonly name: Id; readonly pgs: readonly PgNow[] },
  pgs: number,
  width: number,
): PgTable {
  const disks: Id[] = []
  const indexOf = new Map<Id, number>()
  const slots = new Uint16Array(pgs * width).fill(HOLE)
  for (const { index, members } of policy.pgs) {
    members.slice(0, width).forEach((id, position) => {
      let at = indexOf.get(id)
      if (at === undefined) {
        at = disks.push(id) - 1
        indexOf.set(id, at)
      }
      slots[index * width + position] = at
    })
  }
  return { name: policy.name, pgs, width, disks, slots }
}

interface Wanted {
  readonly change: RowChange
  /** Disks that the change makes fill up. */
  readonly fills: readonly Id[]
  /** Disks that need not fill up any more. */
  readonly drops: readonly Id[]
  /** Members in sync: the fewer, the sooner. */
  readonly safe: number
  /** Fewer of them than it shall have. */
  readonly isEndangered: boolean
  readonly order: number
}

function look(policy: PolicyNow, index: number, now: PgNow | undefined, found: Found): void {
  const { load, changes, wanted } = found
  const members = targetRow(policy.target, index)
  if (members.length === 0) return
  if (now === undefined) {
    // A row that never existed holds no data and costs nothing.
    changes.push({ policy: policy.name, index, members, leaving: [] })
    return
  }
  const inSync = new Set(now.in_sync)
  const known = new Set(now.members)
  const leaving = leavingOf(policy.target.width, now, members, found)
  const filling = now.members.filter(id => !inSync.has(id))
  load.count(filling, 1)
  if (isSameRow(now.members, members, leaving)) return
  const change = { policy: policy.name, index, members, leaving }
  const fills = members.filter(id => !known.has(id))
  const drops = filling.filter(id => !members.includes(id))
  // Only lets members go, or puts them in order: moves no data.
  if (fills.length === 0) {
    changes.push(change)
    load.count(drops, -1)
    return
  }
  const safe = now.in_sync.length
  const isEndangered = safe < members.length
  wanted.push({ change, fills, drops, safe, isEndangered, order: mix32(index) })
}

/**
 * Who stays until its successor is in sync, or because there is none. FOR EACH ONE THAT LEAVES
 * ANOTHER IS IN SYNC: as many copies as the row is wide, and a head never writes to many more.
 */
function leavingOf(width: number, now: PgNow, members: readonly Id[], found: Found): Id[] {
  const settled = members.filter(id => now.in_sync.includes(id))
  let others = now.in_sync.filter(id => !members.includes(id))
  const isDone = settled.length === members.length
  if (isDone) others = others.filter(id => (found.places.get(id)?.state ?? 'out') !== 'out')
  const kept = chooseLeaving(others, settled, Math.max(0, width - settled.length), found.places)
  if (isDone) found.stuck += kept.length
  return kept
}

/** Nearly every row, nearly always: all in sync, and just as the target has it. */
function isAtRest(table: PgTable, now: PgNow | undefined): boolean {
  if (now === undefined || now.in_sync.length !== now.members.length) return false
  const first = now.index * table.width
  for (let position = 0; position < table.width; position++) {
    const disk = table.slots[first + position]
    const wanted = disk === HOLE ? undefined : table.disks[disk]
    if (now.members[position] !== wanted) return false
  }
  return now.members.length <= table.width
}

function targetRow(table: PgTable, index: number): Id[] {
  const row: Id[] = []
  for (let at = index * table.width; at < (index + 1) * table.width; at++) {
    const disk = table.slots[at]
    if (disk !== HOLE) row.push(table.disks[disk])
  }
  return row
}

function isSameRow(now: readonly Id[], members: readonly Id[], leaving: readonly Id[]): boolean {
  if (now.length !== members.length + leaving.length) return false
  const isKept = members.every((id, at) => now[at] === id)
  return isKept && leaving.every((id, at) => now[members.length + at] === id)
}

/** How many members every disk and peer is filling. */
class FillLoad {
  readonly #limits: StepLimits
  readonly #peerOf: Map<Id, Id>
  readonly #idle: ReadonlySet<Id>
  readonly #ofDisk = new Map<Id, number>()
  readonly #ofPeer = new Map<Id, number>()
  running = 0

  constructor(topology: Topology, limits: StepLimits) {
    const { perDisk, perPeer, total } = limits
    for (const [name, limit] of Object.entries({ perDisk, perPeer, total })) {
      if (Number.isSafeInteger(limit) && limit >= 0) continue
      throw new PlacementError(
        'bad_limits',
        `${name} is ${String(limit)}`,
        'limits are whole numbers from 0',
      )
    }
    this.#limits = limits
    this.#peerOf = new Map(topology.disks.map(disk => [disk.id, disk.peer]))
    const idle = topology.disks.filter(one => one.state === 'down' || one.state === 'out')
    this.#idle = new Set(idle.map(one => one.id))
  }

  /** Who waits for its peer to come back, or was given up, is not being filled and holds nobody up. */
  count(disks: readonly Id[], change: 1 | -1): void {
    for (const disk of disks) {
      if (this.#idle.has(disk)) continue
      const peer = this.#peer(disk)
      this.#ofDisk.set(disk, (this.#ofDisk.get(disk) ?? 0) + change)
      this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 0) + change)
      this.running += change
    }
  }

  /** Counts `fills` in place of `drops` if every limit holds then. */
  admit(fills: readonly Id[], drops: readonly Id[]): boolean {
    if (fills.some(disk => this.#idle.has(disk))) return false
    this.count(drops, -1)
    this.count(fills, 1)
    if (this.running <= this.#limits.total && fills.every(disk => this.#isWithin(disk))) return true
    this.count(fills, -1)
    this.count(drops, 1)
    return false
  }

  #isWithin(disk: Id): boolean {
    const ofDisk = this.#ofDisk.get(disk) ?? 0
    const ofPeer = this.#ofPeer.get(this.#peer(disk)) ?? 0
    return ofDisk <= this.#limits.perDisk && ofPeer <= this.#limits.perPeer
  }

  /** A disk that left the topology, and is still named by a row, stands for itself. */
  #peer(disk: Id): Id {
    return this.#peerOf.get(disk) ?? disk
  }
}
