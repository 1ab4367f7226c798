import type { DomainTree } from './domain-tree.ts'
import { evenSums } from './even-sums.ts'
import { isSettled, type Prepared } from './plan-policy.ts'
import { addShort, ofNodes } from './shortfall.ts'
import { chooseTargets } from './targets.ts'

/**
 * Chooses what every node of every policy shall have: each policy's share rounded down or up, so that few
 * members move, and so that the sum over all policies is within a slot of its share everywhere.
 */
export function roundPolicies(domains: DomainTree, policies: readonly Prepared[]): void {
  const short = new Float64Array(domains.nodeCount)
  // Who is in place stays there, and the others go by it: an unchanged map moves nothing.
  const settled = policies.map(isSettled)
  policies.forEach((one, i) => {
    if (settled[i]) addShort(short, one, one.board.load, 1)
  })
  policies.forEach((one, i) => {
    if (settled[i]) addShort(short, one, one.board.load, -1)
    const { tree, share, load, target } = one
    target.set(chooseTargets(tree, share, load, ofNodes(one, short)))
    addShort(short, one, target, 1)
  })
  if (policies.length > 1) evenSums(domains, policies)
}
