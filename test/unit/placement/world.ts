// Seeded topologies and changes of them, and an independent judge of tables.

import type {
  Domain,
  Id,
  PgTable,
  Plan,
  Policy,
  PolicyPlan,
  TopologyDisk,
} from '../../../src/placement/index.ts'
import { HOLE } from '../../../src/placement/limits.ts'

/** xorshift32: the same numbers for the same seed. */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 0x9e3779b9 : seed | 0
    for (let i = 0; i < 8; i++) this.below(2)
  }

  below(count: number): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return Math.floor(((x >>> 0) / 4294967296) * count)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  shuffled<T>(list: readonly T[]): T[] {
    const copy = list.slice()
    for (let i = copy.length - 1; i > 0; i--) {
      const other = this.below(i + 1)
      const kept = copy[i]
      copy[i] = copy[other]
      copy[other] = kept
    }
    return copy
  }
}

export interface Shape {
  readonly zones: number
  readonly racks: number
  readonly peers: number
  readonly disks: number
}

/** Up to this many of each in its parent, with uneven counts and weights. */
export function randomDisks(dice: Dice, shape: Shape): TopologyDisk[] {
  const weights = dice.pick([[1], [1, 2], [1, 4, 8, 16], [1, 1000], [5, 6, 7]])
  const disks: TopologyDisk[] = []
  const zones = 1 + dice.below(shape.zones)
  for (let z = 0; z < zones; z++) {
    for (let r = dice.below(shape.racks); r >= 0; r--) {
      for (let p = dice.below(shape.peers); p >= 0; p--) {
        for (let d = dice.below(shape.disks); d >= 0; d--)
          disks.push(disk(z, r, p, d, dice.pick(weights)))
      }
    }
  }
  return disks
}

export function disk(z: number, r: number, p: number, d: number, weight: number): TopologyDisk {
  const rack = `z${z}r${r}`
  return { id: `${rack}p${p}d${d}`, peer: `${rack}p${p}`, rack, zone: `z${z}`, weight }
}

/** One change as an operator or a failure makes it. */
export function randomChange(
  dice: Dice,
  disks: readonly TopologyDisk[],
  fresh: number,
): TopologyDisk[] {
  const one = dice.pick(disks)
  switch (dice.below(7)) {
    case 0:
      return disks.some(other => other.peer !== one.peer)
        ? disks.filter(other => other.peer !== one.peer)
        : disks.slice()
    case 1:
      return disks.length < 3 ? disks.slice() : disks.filter(other => other !== one)
    case 2:
      return disks.concat({ ...one, id: `new${fresh}` })
    case 3:
      return disks.concat({ ...one, id: `new${fresh}`, peer: `newp${fresh}` })
    case 4:
      return disks.map(other => (other === one ? { ...other, weight: 1 + dice.below(9) } : other))
    case 5:
      return disks.map(other =>
        other.peer === one.peer ? { ...other, state: other.state === 'out' ? 'in' : 'out' } : other,
      )
    default:
      return disks.map(other =>
        other === one ? { ...other, state: other.state === 'draining' ? 'in' : 'draining' } : other,
      )
  }
}

export function rows(table: PgTable): Id[][] {
  const list: Id[][] = []
  for (let pg = 0; pg < table.pgs; pg++) {
    const row = table.slots.subarray(pg * table.width, (pg + 1) * table.width)
    list.push(
      Array.from(
        row.filter(at => at !== HOLE),
        at => table.disks[at],
      ),
    )
  }
  return list
}

/** Everything in a table that breaks a rule, in words; empty when it is right. */
export function faults(
  disks: readonly TopologyDisk[],
  policy: Policy,
  planned: PolicyPlan,
): string[] {
  const byId = new Map(disks.map(one => [one.id, one]))
  const found: string[] = []
  const caps = capsOf(policy)
  rows(planned.table).forEach((row, pg) => {
    if (row.length !== planned.membersPerPg) found.push(`pg ${pg} has ${row.length} members`)
    for (const id of row) {
      const member = byId.get(id)
      const state = member?.state ?? 'in'
      if (member === undefined || (state !== 'in' && state !== 'down')) {
        found.push(`pg ${pg} is on ${id}, which keeps no members`)
      }
      if (member?.weight === 0) found.push(`pg ${pg} is on ${id} of no weight`)
    }
    for (const [level, cap] of caps) {
      const count = new Map<string, number>()
      for (const id of row) {
        const name = String(nameOf(byId.get(id) as TopologyDisk, level))
        count.set(name, (count.get(name) ?? 0) + 1)
      }
      for (const [name, members] of count) {
        if (members > cap) found.push(`pg ${pg} has ${members} members in ${level} ${name}`)
      }
    }
  })
  return found
}

export function capsOf(policy: Policy): [Domain, number][] {
  const bounds = policy.max_per ?? {}
  const caps = new Map<Domain, number>([
    ['disk', 1],
    [policy.domain ?? 'peer', 1],
  ])
  for (const [level, cap] of Object.entries(bounds)) caps.set(level as Domain, cap)
  return [...caps]
}

export function nameOf(one: TopologyDisk, level: Domain): Id {
  if (level === 'disk') return one.id
  if (level === 'peer') return one.peer
  const zone = one.zone ?? ''
  return level === 'rack' ? `${zone}/${one.rack ?? ''}` : zone
}

/** Largest distance from the share on any level. */
export function deviation(plan: Plan): number {
  const { disk: ofDisk, peer, rack, zone } = plan.spread
  return Math.max(ofDisk, peer, rack, zone)
}

export function sameTable(one: PgTable, other: PgTable): boolean {
  return JSON.stringify(rows(one)) === JSON.stringify(rows(other))
}
