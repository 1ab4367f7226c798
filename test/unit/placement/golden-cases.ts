// Topologies and changes whose tables are pinned in test/golden/placement-tables.json. The version
// of the algorithm rises when one of them changes; write the file anew with
// `test/unit/placement/golden-write.ts`.

import { createHash } from 'node:crypto'
import {
  type PgTable,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../../src/placement/index.ts'

export interface GoldenCase {
  readonly name: string
  readonly policies: readonly Policy[]
  /** Topologies one after the other, each planned from the tables before. */
  readonly topologies: readonly (readonly TopologyDisk[])[]
}

type Shuffle = <T>(list: readonly T[]) => T[]

/** SHA-256 after each step: the disks in order as JSON, then the slots, low byte first. */
export function goldenSteps(one: GoldenCase, shuffle: Shuffle): string[] {
  let previous: PgTable[] | undefined
  return one.topologies.map(disks => {
    const plan = planTables({ disks: shuffle(disks) }, shuffle(one.policies), previous)
    previous = plan.policies.map(policy => policy.table)
    const hash = createHash('sha256')
    for (const { name } of one.policies) {
      const table = previous.find(other => other.name === name) as PgTable
      hash.update(JSON.stringify(table.disks))
      for (const slot of table.slots) hash.update(Uint8Array.of(slot & 0xff, slot >> 8))
    }
    return hash.digest('hex')
  })
}

/** A tree of uneven weights; `skip` leaves peers out. */
function cluster(zones: number, racks: number, peers: number, skip = -1): TopologyDisk[] {
  const disks: TopologyDisk[] = []
  const weights = [1, 4, 8, 16, 2.5, 0.75]
  for (let p = 0; p < zones * racks * peers; p++) {
    const rack = Math.floor(p / peers)
    const zone = Math.floor(rack / racks)
    if (p === skip) continue
    for (let d = 0; d < 4; d++) {
      const weight = weights[(p * 5 + d * 3) % weights.length]
      disks.push({ id: `p${p}d${d}`, peer: `p${p}`, rack: `r${rack}`, zone: `z${zone}`, weight })
    }
  }
  return disks
}

function reweighted(disks: readonly TopologyDisk[], zone: string, by: number): TopologyDisk[] {
  return disks.map(one => (one.zone === zone ? { ...one, weight: (one.weight ?? 1) * by } : one))
}

export const GOLDEN_CASES: readonly GoldenCase[] = [
  {
    name: '3 copies in racks: a peer leaves and returns, three join',
    policies: [{ name: 'a', copies: 3, domain: 'rack', pgs: 4096 }],
    topologies: [cluster(3, 4, 5), cluster(3, 4, 5, 7), cluster(3, 4, 5), cluster(3, 4, 6)],
  },
  {
    name: '4 zones, one copy each: 3x reweight and back',
    policies: [{ name: 'a', copies: 3, domain: 'zone', pgs: 2048 }],
    topologies: [
      cluster(4, 1, 8),
      reweighted(cluster(4, 1, 8), 'z2', 3),
      reweighted(cluster(4, 1, 8), 'z1', 0.3),
      cluster(4, 1, 8),
    ],
  },
  {
    name: '12+4 on 20 peers, losing one and a second',
    policies: [{ name: 'a', ec: '12+4', pgs: 512 }],
    topologies: [cluster(1, 1, 20), cluster(1, 1, 20, 3), cluster(1, 1, 20, 3).slice(4)],
  },
  {
    name: 'three policies on the same disks, bounds per rack, one localized',
    policies: [
      { name: 'b', copies: 2, pgs: 256 },
      { name: 'a', ec: '4+2', max_per: { rack: 2 }, pgs: 512 },
      { name: 'c', copies: 3, domain: 'peer', localize: { peer: 'p4' }, pgs: 128 },
    ],
    topologies: [cluster(2, 3, 4), cluster(2, 3, 4, 9), cluster(2, 3, 5)],
  },
]
