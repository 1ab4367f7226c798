// What carrying a plan out costs the event loop of the peer that leads.

import { inTurns } from '../../src/placement/in-turns.ts'
import {
  nextBatch,
  type PgNow,
  type PgTable,
  type Policy,
  planTables,
} from '../../src/placement/index.ts'
import { lookAtAll } from '../../src/placement/steps.ts'
import { cluster } from './placement-cases.ts'

export interface StepCosts {
  readonly pgs: number
  readonly wholeMs: number
  /** The longest that others wait for their turn. */
  readonly longestMs: number
}

const LIMITS = { perDisk: 4, perPeer: 8, total: 64 }

/** Of the next batch after a disk was told to drain. CPU time of the fastest of five. */
export async function stepCosts(disks: number, pgs: number): Promise<StepCosts> {
  const policy: Policy = { name: 'bench', copies: 3, domain: 'rack', pgs }
  const before = cluster(disks)
  const [{ table }] = planTables({ disks: before }, [policy]).policies
  const after = before.map((one, i) => (i === 0 ? { ...one, state: 'draining' as const } : one))
  const [{ table: target }] = planTables({ disks: after }, [policy], [table]).policies
  const all = [{ name: 'bench', pgs: rowsOf(table), target }]
  const costs = { pgs, wholeMs: Number.POSITIVE_INFINITY, longestMs: Number.POSITIVE_INFINITY }
  for (let i = 0; i < 5; i++) {
    const begun = process.cpuUsage()
    nextBatch(all, { disks: after }, LIMITS)
    costs.wholeMs = Math.min(costs.wholeMs, sinceMs(begun))
    costs.longestMs = Math.min(costs.longestMs, await longestTurn(all, after))
  }
  return costs
}

async function longestTurn(
  all: Parameters<typeof nextBatch>[0],
  disks: ReturnType<typeof cluster>,
): Promise<number> {
  let longest = 0
  function* timed() {
    const work = lookAtAll(all, { disks }, LIMITS)
    for (;;) {
      const begun = process.cpuUsage()
      const { done } = work.next()
      longest = Math.max(longest, sinceMs(begun))
      if (done === true) return
      yield
    }
  }
  await inTurns(timed())
  return longest
}

function sinceMs(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1000
}

function rowsOf({ slots, width, pgs, disks }: PgTable): PgNow[] {
  return Array.from({ length: pgs }, (_, index) => {
    const members = Array.from(slots.subarray(index * width, (index + 1) * width), at => disks[at])
    return { index, members, in_sync: members }
  })
}
