// Of the members on their way out: who goes first when one of the successors is in sync.
import type { Id, TopologyDisk } from './types.ts'

type Places = ReadonlyMap<Id, TopologyDisk>

/**
 * `count` of `others`, in their order. Gone first is what lies in one place with another copy, so
 * that the ones that are left are as far apart as they can be; before all what is out.
 */
export function chooseLeaving(
  others: readonly Id[],
  settled: readonly Id[],
  count: number,
  places: Places,
): Id[] {
  const kept = others.slice()
  while (kept.length > count) {
    const weights = kept.map(id => burden(id, [...settled, ...kept], places))
    kept.splice(weights.lastIndexOf(Math.max(...weights)), 1)
  }
  return kept
}

const OUT = 16
const SAME_PEER = 8
const SAME_RACK = 4
const SAME_ZONE = 2
const DRAINING = 1

function burden(id: Id, copies: readonly Id[], places: Places): number {
  const own = places.get(id)
  if (own === undefined || own.state === 'out') return OUT
  const rest = copies.filter(other => other !== id).flatMap(other => places.get(other) ?? [])
  const shares = (placeOf: (disk: TopologyDisk) => string) =>
    rest.some(other => placeOf(other) === placeOf(own))
  return (
    (shares(disk => `${disk.peer}`) ? SAME_PEER : 0) +
    (shares(rackOf) ? SAME_RACK : 0) +
    (shares(zoneOf) ? SAME_ZONE : 0) +
    (own.state === 'draining' ? DRAINING : 0)
  )
}

/** Who names no rack or zone stands for itself. */
function rackOf(disk: TopologyDisk): string {
  return disk.rack ? `rack ${disk.rack}` : `peer ${disk.peer}`
}

function zoneOf(disk: TopologyDisk): string {
  return disk.zone ? `zone ${disk.zone}` : rackOf(disk)
}
