import { invariant, PlacementError, shown } from './errors.ts'
import { checkId, checkOptionalId, compareIds } from './ids.ts'
import { DISKS_MAX, WEIGHT_MAX, WEIGHT_MIN } from './limits.ts'
import type { DiskState, Id, Topology, TopologyDisk } from './types.ts'

/** A disk whose every field was checked; absent ones have their default. */
export interface CheckedDisk {
  readonly id: Id
  readonly peer: Id
  readonly rack: Id
  readonly zone: Id
  /** Effective: weight less reserve, times the correction by fill. 0 keeps no share. */
  readonly weight: number
  /** As given, before reserve and correction. */
  readonly rawWeight: number
  readonly fill: number | null
  readonly latencyUs: number | null
  readonly class: string
  readonly state: DiskState
  readonly labels: ReadonlySet<string>
}

/** Disks in the order (zone, rack, peer, disk), whatever the order they came in. */
export interface CheckedTopology {
  readonly disks: readonly CheckedDisk[]
  readonly ids: readonly Id[]
  readonly indexOf: ReadonlyMap<Id, number>
}

const STATES: readonly string[] = ['in', 'draining', 'out', 'down']

export function checkTopology(topology: Topology): CheckedTopology {
  if (typeof topology !== 'object' || topology === null || !Array.isArray(topology.disks)) {
    throw new PlacementError('bad_input', 'the topology has no list "disks"', 'see the input form')
  }
  if (topology.disks.length > DISKS_MAX) {
    throw new PlacementError(
      'too_many_disks',
      `${topology.disks.length} disks; the most is ${DISKS_MAX}`,
      'a member takes 16 bits of the map: split the cluster',
    )
  }
  const disks = topology.disks.map(checkDisk)
  checkOneParent(disks, 'peer', 'rack')
  checkOneParent(disks, 'peer', 'zone')
  checkOneParent(disks, 'rack', 'zone')
  disks.sort(compareDisks)
  return index(disks)
}

function index(disks: readonly CheckedDisk[]): CheckedTopology {
  const indexOf = new Map<Id, number>()
  for (let i = 0; i < disks.length; i++) {
    const id = disks[i].id
    if (indexOf.has(id)) {
      throw new PlacementError(
        'duplicate_disk',
        `disk ${JSON.stringify(id)} is listed twice`,
        'give every disk one entry and an id of its own',
      )
    }
    indexOf.set(id, i)
  }
  invariant(indexOf.size === disks.length, 'one index per disk')
  return { disks, ids: disks.map(disk => disk.id), indexOf }
}

function compareDisks(left: CheckedDisk, right: CheckedDisk): number {
  return (
    compareIds(left.zone, right.zone) ||
    compareIds(left.rack, right.rack) ||
    compareIds(left.peer, right.peer) ||
    compareIds(left.id, right.id)
  )
}

function checkDisk(disk: TopologyDisk, at: number): CheckedDisk {
  if (typeof disk !== 'object' || disk === null) {
    throw new PlacementError('bad_input', `disks[${at}] is not an object`, 'see the input form')
  }
  const id = checkId(disk.id, `disks[${at}].id`)
  const name = `disk ${JSON.stringify(id)}`
  const rawWeight = checkAmount(disk.weight ?? disk.size ?? 1, `${name}: weight`)
  const reserve = checkAmount(disk.reserve ?? 0, `${name}: reserve`)
  const factor = checkAmount(disk.factor ?? 1, `${name}: factor`)
  const peer = checkId(disk.peer, `${name}: peer`)
  const rack = checkOptionalId(disk.rack, `${name}: rack`)
  const zone = checkOptionalId(disk.zone, `${name}: zone`)
  const left = rawWeight > reserve ? (rawWeight - reserve) * factor : 0
  return {
    id,
    peer,
    // Who names no rack or zone stands for itself: nothing says that two of them fail together.
    rack: isNamed(rack) ? rack : `peer ${peer}`,
    zone: isNamed(zone) ? zone : isNamed(rack) ? `rack ${rack}` : `peer ${peer}`,
    weight: left < WEIGHT_MIN ? 0 : left,
    rawWeight,
    fill: checkFill(disk.fill, name),
    latencyUs: disk.latency_us == null ? null : checkAmount(disk.latency_us, `${name}: latency_us`),
    class: checkClass(disk.class, name),
    state: checkState(disk.state ?? 'in', name),
    labels: new Set(checkLabels(disk.labels, name)),
  }
}

/** Zero is a name like any other number. */
function isNamed(domain: Id): boolean {
  return domain !== ''
}

/** Also refuses NaN, which compares as false with everything. */
function checkAmount(value: unknown, what: string): number {
  if (typeof value === 'number' && value >= 0 && value <= WEIGHT_MAX) return value
  throw new PlacementError(
    'bad_weight',
    `${what} is ${shown(value)}`,
    'it is a number from 0 to 2^56; 0 keeps no data',
  )
}

function checkFill(value: unknown, name: string): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw new PlacementError('bad_fill', `${name}: fill is ${shown(value)}`, 'it is from 0 to 1')
}

function checkState(value: unknown, name: string): DiskState {
  if (typeof value === 'string' && STATES.includes(value)) return value as DiskState
  throw new PlacementError(
    'bad_state',
    `${name}: state is ${shown(value)}`,
    `it is one of ${STATES.join(', ')}`,
  )
}

function checkClass(value: unknown, name: string): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  throw new PlacementError('bad_input', `${name}: class is no text`, 'for example "nvme"')
}

function checkLabels(value: unknown, name: string): readonly string[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value) && value.every(label => typeof label === 'string')) return value
  throw new PlacementError('bad_input', `${name}: labels are no list of texts`, 'use ["a", "b"]')
}

/** Failure domains nest, so that rules about them can always be met level by level. */
function checkOneParent(
  disks: readonly CheckedDisk[],
  lower: 'peer' | 'rack',
  upper: 'rack' | 'zone',
): void {
  const parentOf = new Map<Id, Id>()
  for (const disk of disks) {
    const child = disk[lower]
    const parent = parentOf.get(child)
    if (parent === undefined) parentOf.set(child, disk[upper])
    else if (parent !== disk[upper]) throw notATree(lower, child, upper, parent, disk[upper])
  }
}

function notATree(lower: string, child: Id, upper: string, one: Id, other: Id): PlacementError {
  return new PlacementError(
    'not_a_tree',
    `${lower} ${JSON.stringify(child)} lies in two ${upper}s, ` +
      `${JSON.stringify(one)} and ${JSON.stringify(other)}`,
    `disks lie in peers, peers in racks, racks in zones: give it one ${upper}, or two names`,
  )
}
