import type { CheckedPolicy } from './checked-policy.ts'
import type { CheckedDisk, CheckedTopology } from './checked-topology.ts'
import type { Id, Localize } from './types.ts'

/** Levels of the tree; a node's number grows with its level, then with its disks. */
export const ROOT = 0
export const GROUP = 1
export const ZONE = 2
export const RACK = 3
export const PEER = 4
export const DISK = 5
const LEVELS = 6

/**
 * The disks that a policy may use, as a tree with a bound of members per PG in every node:
 *
 *     root → group → zone → rack → peer → disk
 *
 * There is one group, or two where the policy is localized: the others, and the place where one
 * member must be. The others get one member less everywhere, which forces that one into the place
 * and keeps the rules laminar: upper bounds on nested sets, and nothing else.
 *
 * Nodes of one level are numbered in a row and their disks lie in a row, so that children and
 * disks of a node are ranges.
 */
export interface PolicyTree {
  readonly diskCount: number
  readonly nodeCount: number
  /** First node of each level; one more entry at the end. */
  readonly levelFirst: readonly number[]
  /** Node above, for every node but the root. */
  readonly parent: Int32Array
  /** Range of children of each node. */
  readonly childFirst: Int32Array
  readonly childEnd: Int32Array
  /** Range of disks under each node. */
  readonly diskFirst: Int32Array
  readonly diskEnd: Int32Array
  /** Most members of one PG: the rule, and never more than the children can hold. */
  readonly cap: Int32Array
  /** Node of each level above each disk: `above[level][disk]`. */
  readonly above: readonly Int32Array[]
  readonly weight: Float64Array
  /** Index in the topology of each disk, and back (-1: not in this tree). */
  readonly toTopology: Uint16Array
  readonly fromTopology: Int32Array
  /** Members per PG, when the domains are enough for it: `cap[ROOT]`. */
  readonly membersPerPg: number
  /** False where a policy asks for a place that has no disk for it. */
  readonly isLocalizeMet: boolean
}

interface Member {
  readonly at: number
  readonly disk: CheckedDisk
  readonly isInPlace: boolean
}

export function buildPolicyTree(topology: CheckedTopology, policy: CheckedPolicy): PolicyTree {
  const members = eligible(topology, policy)
  const isLocalizeMet = policy.localize === null || members.some(member => member.isInPlace)
  const numbers = numberNodes(members)
  const tree = layOut(members, numbers, topology.disks.length)
  boundTree(tree, members, policy, isLocalizeMet ? policy.localize : null)
  return { ...tree, membersPerPg: tree.cap[ROOT], isLocalizeMet }
}

/** Does this disk keep members of the policy? `down` does: it may come back with them. */
export function isEligible(disk: CheckedDisk, policy: CheckedPolicy): boolean {
  if (disk.state !== 'in' && disk.state !== 'down') return false
  if (disk.weight === 0) return false
  if (policy.class !== '' && disk.class !== policy.class) return false
  return policy.labels.every(label => disk.labels.has(label))
}

function eligible(topology: CheckedTopology, policy: CheckedPolicy): Member[] {
  const place = policy.localize
  const others: Member[] = []
  const inPlace: Member[] = []
  topology.disks.forEach((disk, at) => {
    if (!isEligible(disk, policy)) return
    const isInPlace = isPlace(disk, place)
    ;(isInPlace ? inPlace : others).push({ at, disk, isInPlace })
  })
  return others.concat(inPlace)
}

function isPlace(disk: CheckedDisk, place: Localize | null): boolean {
  if (place === null) return false
  return 'peer' in place ? disk.peer === place.peer : disk.zone === place.zone
}

/** Ordinal of the node above each disk, per level. Disks come sorted, so nodes change in order. */
function numberNodes(members: readonly Member[]): Int32Array[] {
  const numbers = Array.from({ length: LEVELS }, () => new Int32Array(members.length))
  for (let i = 1; i < members.length; i++) {
    const before = members[i - 1]
    const { disk, isInPlace } = members[i]
    let isNew = isInPlace !== before.isInPlace
    numbers[GROUP][i] = numbers[GROUP][i - 1] + (isNew ? 1 : 0)
    isNew ||= disk.zone !== before.disk.zone
    numbers[ZONE][i] = numbers[ZONE][i - 1] + (isNew ? 1 : 0)
    isNew ||= disk.rack !== before.disk.rack
    numbers[RACK][i] = numbers[RACK][i - 1] + (isNew ? 1 : 0)
    isNew ||= disk.peer !== before.disk.peer
    numbers[PEER][i] = numbers[PEER][i - 1] + (isNew ? 1 : 0)
    numbers[DISK][i] = i
  }
  return numbers
}

type Layout = Omit<PolicyTree, 'membersPerPg' | 'isLocalizeMet'>

function layOut(members: readonly Member[], numbers: Int32Array[], topologySize: number): Layout {
  const diskCount = members.length
  const levelFirst = [0]
  for (const level of numbers) {
    const nodes = diskCount === 0 ? 0 : level[diskCount - 1] + 1
    levelFirst.push(levelFirst[levelFirst.length - 1] + Math.max(1, nodes))
  }
  const nodeCount = levelFirst[LEVELS]
  const tree: Layout = {
    diskCount,
    nodeCount,
    levelFirst,
    parent: new Int32Array(nodeCount).fill(-1),
    childFirst: new Int32Array(nodeCount),
    childEnd: new Int32Array(nodeCount),
    diskFirst: new Int32Array(nodeCount),
    diskEnd: new Int32Array(nodeCount),
    cap: new Int32Array(nodeCount),
    above: numbers.map((level, at) => level.map(number => number + levelFirst[at])),
    weight: Float64Array.from(members, member => member.disk.weight),
    toTopology: Uint16Array.from(members, member => member.at),
    fromTopology: new Int32Array(topologySize).fill(-1),
  }
  members.forEach((member, i) => {
    tree.fromTopology[member.at] = i
  })
  linkRanges(tree)
  return tree
}

function linkRanges(tree: Layout): void {
  for (let level = LEVELS - 1; level >= 0; level--) {
    const above = tree.above[level]
    for (let i = tree.diskCount - 1; i >= 0; i--) {
      const node = above[i]
      tree.diskFirst[node] = i
      if (tree.diskEnd[node] === 0) tree.diskEnd[node] = i + 1
      if (level === ROOT) continue
      const parent = tree.above[level - 1][i]
      tree.parent[node] = parent
      tree.childFirst[parent] = node
      if (tree.childEnd[parent] === 0) tree.childEnd[parent] = node + 1
    }
  }
}

/** The place that one member must be in. */
interface Home {
  readonly disk: CheckedDisk
  /** Members that a peer which is the place holds. */
  readonly members: number
  readonly isPeer: boolean
}

/**
 * A peer that is the place holds one member, the others are spread. ONLY WHERE THEY HAVE NO ROOM it
 * holds more, as many as it takes: a place that is asked for must not cost copies. Every whole row
 * has exactly so many there, so what is left for those beside it in its rack and zone is still an
 * upper bound on nested sets.
 */
function boundTree(
  tree: Layout,
  members: readonly Member[],
  policy: CheckedPolicy,
  place: Localize | null,
): void {
  const disk = place === null ? undefined : members.find(member => member.isInPlace)?.disk
  const isPeer = place !== null && 'peer' in place
  const bound = (inPlace: number) => {
    const home = disk === undefined ? null : { disk, isPeer, members: inPlace }
    boundNodes(tree, members, policy, home)
    return tree.cap[ROOT]
  }
  let room = bound(1)
  for (let inPlace = 2; isPeer && room < policy.width; inPlace++) {
    const roomThen = inPlace <= policy.caps.peer ? bound(inPlace) : 0
    if (roomThen <= room) {
      bound(inPlace - 1)
      return
    }
    room = roomThen
  }
}

function boundNodes(
  tree: Layout,
  members: readonly Member[],
  policy: CheckedPolicy,
  home: Home | null,
): void {
  const { cap } = tree
  for (let level = DISK; level >= ROOT; level--) {
    for (let node = tree.levelFirst[level]; node < tree.levelFirst[level + 1]; node++) {
      let held = level === DISK && tree.diskCount > 0 ? 1 : 0
      for (let c = tree.childFirst[node]; c < tree.childEnd[node]; c++) held += cap[c]
      const first = members[tree.diskFirst[node]]
      const rule = first === undefined ? 0 : ruleOf(level, first, policy, home)
      cap[node] = Math.min(held, rule)
    }
  }
}

/** What the policy allows in the node at `level` above the disk `first`. */
function ruleOf(level: number, first: Member, policy: CheckedPolicy, home: Home | null): number {
  const isOther = home !== null && !first.isInPlace
  if (level === ROOT) return policy.width
  if (level === GROUP) return policy.width - (isOther ? 1 : 0)
  const beside = isOther && home.isPeer ? home : null
  if (level === ZONE) {
    const isShared = beside !== null && first.disk.zone === beside.disk.zone
    return policy.caps.zone - (isShared ? beside.members : 0)
  }
  if (level === RACK) {
    const isShared = beside !== null && sameRack(first.disk, beside.disk)
    return policy.caps.rack - (isShared ? beside.members : 0)
  }
  if (level === PEER) return home?.isPeer && first.isInPlace ? home.members : policy.caps.peer
  return 1
}

function sameRack(one: CheckedDisk, other: CheckedDisk): boolean {
  return one.zone === other.zone && one.rack === other.rack
}

/** The names that lie above a disk, for messages and reports. */
export function pathOf(disk: CheckedDisk): readonly Id[] {
  return [disk.zone, disk.rack, disk.peer, disk.id]
}
