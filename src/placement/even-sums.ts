import type { DomainTree } from './domain-tree.ts'
import { GRID } from './limits.ts'
import { DISK, type PolicyTree, ROOT } from './policy-tree.ts'

/** The shares of one policy, rounded to whole slots. */
export interface Rounding {
  readonly tree: PolicyTree
  /** Domain of each node of the tree (`domainsOf`). */
  readonly domains: Int32Array
  readonly share: Float64Array
  /** Members of each disk of the tree now. */
  readonly load: Int32Array
  readonly target: Int32Array
}

/**
 * Rounds anew, here and there, until no domain is a whole slot off its share in the sum over all policies;
 * every node of every policy stays at its share rounded down or up.
 *
 * All roundings together are a flow: from each policy's root down its tree, from its disks to those of the
 * topology, and up through peers, racks and zones. Its arcs are to carry their share rounded down or up. As
 * the shares are such a flow themselves, whatever is wrong with one arc can be led around it, one slot at a
 * time, through arcs that have room: the shortest way, counted in members that would have to move for it.
 */
export function evenSums(domains: DomainTree, roundings: readonly Rounding[]): void {
  new SumFlow(domains, roundings).even()
}

class SumFlow {
  readonly #domains: DomainTree
  readonly #roundings: readonly Rounding[]
  /** First node of each policy's tree in the graph; the domains come after them. */
  readonly #base: number[] = []
  readonly #domainBase: number
  readonly #policyOf: Int32Array
  /** Of each domain, over all policies: slots, and between which they may be. */
  readonly #slots: Int32Array
  readonly #low: Int32Array
  readonly #high: Int32Array
  /** Leaves of the policies' trees on each disk of the topology. */
  readonly #leaves: number[][]
  /** Of one search: where each node was reached from (-1: not yet). */
  readonly #from: Int32Array

  constructor(domains: DomainTree, roundings: readonly Rounding[]) {
    this.#domains = domains
    this.#roundings = roundings
    let nodes = 0
    for (const { tree } of roundings) {
      this.#base.push(nodes)
      nodes += tree.nodeCount
    }
    this.#domainBase = nodes
    this.#policyOf = new Int32Array(nodes)
    roundings.forEach(({ tree }, p) => {
      this.#policyOf.fill(p, this.#base[p], this.#base[p] + tree.nodeCount)
    })
    this.#from = new Int32Array(nodes + domains.nodeCount)
    this.#slots = new Int32Array(domains.nodeCount)
    this.#low = new Int32Array(domains.nodeCount)
    this.#high = new Int32Array(domains.nodeCount)
    this.#leaves = Array.from({ length: domains.nodeCount - domains.diskBase }, () => [])
    this.#addUp()
  }

  even(): void {
    const { nodeCount, parent } = this.#domains
    for (let domain = ROOT + 1; domain < nodeCount; domain++) {
      while (this.#slots[domain] > this.#high[domain]) {
        if (!this.#lead(domain, parent[domain])) break
        this.#slots[domain] -= 1
      }
      while (this.#slots[domain] < this.#low[domain]) {
        if (!this.#lead(parent[domain], domain)) break
        this.#slots[domain] += 1
      }
    }
  }

  #addUp(): void {
    const { nodeCount, diskBase, parent } = this.#domains
    const share = new Float64Array(nodeCount)
    this.#roundings.forEach(({ tree, domains, share: own, target }, p) => {
      for (let i = 0; i < tree.diskCount; i++) {
        const leaf = tree.levelFirst[DISK] + i
        share[domains[leaf]] += own[leaf]
        this.#slots[domains[leaf]] += target[leaf]
        this.#leaves[domains[leaf] - diskBase].push(this.#base[p] + leaf)
      }
    })
    for (let node = nodeCount - 1; node > ROOT; node--) {
      share[parent[node]] += share[node]
      this.#slots[parent[node]] += this.#slots[node]
    }
    for (let node = 0; node < nodeCount; node++) {
      const rest = share[node] % GRID
      this.#low[node] = (share[node] - rest) / GRID
      this.#high[node] = this.#low[node] + (rest === 0 ? 0 : 1)
    }
  }

  /** One slot from a domain to another on the cheapest way with room for it. */
  #lead(start: number, goal: number): boolean {
    const end = this.#domainBase + goal
    if (!this.#search(this.#domainBase + start, end)) return false
    for (let node = end; this.#from[node] !== node; node = this.#from[node]) {
      this.#carry(this.#from[node], node)
    }
    return true
  }

  /** By rings of equal cost; within one, in the order of finding. */
  #search(start: number, end: number): boolean {
    const from = this.#from.fill(-1)
    let ring = [start]
    let origins = [start]
    while (ring.length > 0) {
      const next: number[] = []
      const nextOrigins: number[] = []
      for (let at = 0; at < ring.length; at++) {
        const node = ring[at]
        if (from[node] !== -1) continue
        from[node] = origins[at]
        if (node === end) return true
        this.#eachWay(node, (to, isFree) => {
          if (from[to] !== -1) return
          ;(isFree ? ring : next).push(to)
          ;(isFree ? origins : nextOrigins).push(node)
        })
      }
      ring = next
      origins = nextOrigins
    }
    return false
  }

  #eachWay(node: number, see: (to: number, isFree: boolean) => void): void {
    if (node < this.#domainBase) this.#waysInPolicy(node, see)
    else this.#waysAmongDomains(node - this.#domainBase, see)
  }

  #waysInPolicy(node: number, see: (to: number, isFree: boolean) => void): void {
    const base = this.#base[this.#policyOf[node]]
    const { tree, domains, target, share, load } = this.#roundings[this.#policyOf[node]]
    const own = node - base
    const diskBase = tree.levelFirst[DISK]
    const leaf = own - diskBase
    if (own !== ROOT && target[own] * GRID > share[own]) {
      see(base + tree.parent[own], leaf < 0 || target[own] > load[leaf])
    }
    if (leaf >= 0) see(this.#domainBase + domains[own], true)
    for (let child = tree.childFirst[own]; child < tree.childEnd[own]; child++) {
      if (target[child] * GRID >= share[child]) continue
      see(base + child, child < diskBase || target[child] < load[child - diskBase])
    }
  }

  #waysAmongDomains(domain: number, see: (to: number, isFree: boolean) => void): void {
    const { parent, diskBase, childFirst, childEnd } = this.#domains
    if (domain !== ROOT && this.#slots[domain] < this.#high[domain]) {
      see(this.#domainBase + parent[domain], true)
    }
    if (domain >= diskBase) {
      for (const leaf of this.#leaves[domain - diskBase]) see(leaf, true)
    }
    for (let child = childFirst[domain]; child < childEnd[domain]; child++) {
      if (this.#slots[child] > this.#low[child]) see(this.#domainBase + child, true)
    }
  }

  /** One slot more where the way goes with the flow, one less where it goes against it. */
  #carry(from: number, to: number): void {
    const { parent } = this.#domains
    const [upper, lower] = [from - this.#domainBase, to - this.#domainBase]
    if (upper >= 0 && lower >= 0) {
      if (parent[upper] === lower) this.#slots[upper] += 1
      else this.#slots[lower] -= 1
    } else if (upper < 0 && lower < 0) {
      const base = this.#base[this.#policyOf[from]]
      const { tree, target } = this.#roundings[this.#policyOf[from]]
      if (tree.parent[to - base] === from - base) target[to - base] += 1
      else target[from - base] -= 1
    }
  }
}
