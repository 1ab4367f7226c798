import type { CheckedTopology } from './checked-topology.ts'
import { type PolicyTree, ROOT, ZONE } from './policy-tree.ts'

/**
 * Every disk of a topology, whatever policies may use it: root, zones, racks, peers, disks, numbered in
 * that order. Where the sum over several policies is looked at.
 */
export interface DomainTree {
  readonly nodeCount: number
  /** Node of the first disk; the others follow in the order of the topology. */
  readonly diskBase: number
  /** Node above each; of the root -1. */
  readonly parent: Int32Array
  /** Range of the nodes below each. */
  readonly childFirst: Int32Array
  readonly childEnd: Int32Array
}

export function domainTreeOf({ disks }: CheckedTopology): DomainTree {
  const above = [new Int32Array(disks.length), new Int32Array(disks.length)]
  above.push(new Int32Array(disks.length), new Int32Array(disks.length))
  const last = [0, -1, -1, -1]
  disks.forEach((disk, i) => {
    const before = disks[i - 1]
    let isNew = before === undefined || disk.zone !== before.zone
    if (isNew) last[1]++
    isNew ||= disk.rack !== before!.rack
    if (isNew) last[2]++
    isNew ||= disk.peer !== before!.peer
    if (isNew) last[3]++
    for (let level = 0; level < above.length; level++) above[level][i] = last[level]
  })
  return layOut(
    above,
    last.map(number => number + 1),
    disks.length,
  )
}

function layOut(above: readonly Int32Array[], counts: number[], disks: number): DomainTree {
  const first = [0]
  for (const count of counts) first.push(first[first.length - 1] + count)
  const diskBase = first[first.length - 1]
  const nodeCount = diskBase + disks
  const parent = new Int32Array(nodeCount).fill(-1)
  for (let i = 0; i < disks; i++) {
    parent[diskBase + i] = first[above.length - 1] + above[above.length - 1][i]
    for (let level = above.length - 1; level > 0; level--) {
      parent[first[level] + above[level][i]] = first[level - 1] + above[level - 1][i]
    }
  }
  const childFirst = new Int32Array(nodeCount)
  const childEnd = new Int32Array(nodeCount)
  for (let node = nodeCount - 1; node > ROOT; node--) {
    childFirst[parent[node]] = node
    if (childEnd[parent[node]] === 0) childEnd[parent[node]] = node + 1
  }
  return { nodeCount, diskBase, parent, childFirst, childEnd }
}

/** The domain that each node of a policy's tree is (a part of), -1 above the zones. */
export function domainsOf(tree: PolicyTree, domains: DomainTree): Int32Array {
  const of = new Int32Array(tree.nodeCount).fill(-1)
  for (let i = 0; i < tree.diskCount; i++) {
    let domain = domains.diskBase + tree.toTopology[i]
    for (let level = tree.above.length - 1; level >= ZONE; level--) {
      of[tree.above[level][i]] = domain
      domain = domains.parent[domain]
    }
  }
  return of
}
