import type { DomainTree } from './domain-tree.ts'
import type { Rounding } from './even-sums.ts'
import { GRID } from './limits.ts'

/** What all policies together leave each domain short of. */
export function shortOfAll(domains: DomainTree, policies: readonly Rounding[]): Float64Array {
  const short = new Float64Array(domains.nodeCount)
  for (const one of policies) addShort(short, one, one.target, 1)
  return short
}

/** Adds what a policy leaves each domain short of with so many members, in grid parts. */
export function addShort(
  short: Float64Array,
  { tree, domains, share }: Rounding,
  members: Int32Array,
  sign: 1 | -1,
): void {
  for (let node = 0; node < tree.nodeCount; node++) {
    if (domains[node] < 0) continue
    short[domains[node]] += sign * (share[node] - members[node] * GRID)
  }
}

/** The same by node of a policy's tree; nothing above the zones. */
export function ofNodes({ domains }: Rounding, short: Float64Array): Float64Array {
  return Float64Array.from(domains, domain => (domain < 0 ? 0 : short[domain]))
}
