// Where the data of a volume lies: from its extents to groups to disks, by arithmetic alone.
import { setImmediate } from 'node:timers/promises'
import { type ClusterState, peerName, type VolumeRecord } from '../data/state.ts'
import { lineageSeed, pgOfExtent } from '../placement/index.ts'

const blockBytes = 4096
/** About 10 ms of looking up. */
const extentsAtOnce = 2 ** 19

export interface DiskLayout {
  disk: number
  peer: string
  rack: string
  zone: string
  /** Extents of which the disk has a copy that is in sync. */
  extents: number
  /** Of these, the ones that it is read from first. */
  first: number
}

export interface GroupLayout {
  index: number
  extents: number
  disks: number[]
  in_sync: number[]
}

export interface VolumeLayout {
  volume: string
  policy: string
  extent_bytes: number
  extents: number
  disks: DiskLayout[]
  groups: GroupLayout[]
}

export async function layoutOf(state: ClusterState, volume: VolumeRecord): Promise<VolumeLayout> {
  const policy = state.policies.find(one => one.id === volume.policy)!
  const extentBytes = policy.blocks_per_extent * blockBytes
  const extents = Math.ceil(volume.size_bytes / extentBytes)
  const counts = await countExtents(volume.lineage, extents, volume.pg_count)
  const groups = policy.pgs
    .filter(pg => counts[pg.index]! > 0)
    .map(({ index, members, in_sync }) => ({
      index,
      extents: counts[index]!,
      disks: members,
      in_sync,
    }))
  return {
    volume: volume.name,
    policy: policy.name,
    extent_bytes: extentBytes,
    extents,
    disks: disksOf(state, groups),
    groups,
  }
}

/** Extents of every group. The largest volume has millions of them: others get a turn in between. */
async function countExtents(lineage: number, extents: number, pgs: number): Promise<Uint32Array> {
  const counts = new Uint32Array(pgs)
  const seed = lineageSeed(BigInt(lineage))
  for (let first = 0; first < extents; first += extentsAtOnce) {
    const end = Math.min(extents, first + extentsAtOnce)
    for (let extent = first; extent < end; extent++) counts[pgOfExtent(seed, extent, pgs)]!++
    if (end < extents) await setImmediate()
  }
  return counts
}

function disksOf(state: ClusterState, groups: readonly GroupLayout[]): DiskLayout[] {
  const found = new Map<number, { extents: number; first: number }>()
  for (const { extents, in_sync } of groups) {
    in_sync.forEach((disk, position) => {
      const one = found.get(disk) ?? { extents: 0, first: 0 }
      one.extents += extents
      if (position === 0) one.first += extents
      found.set(disk, one)
    })
  }
  return state.disks
    .filter(disk => found.has(disk.id))
    .map(disk => {
      const { rack = '', zone = '' } = state.peers.find(one => one.id === disk.peer)?.domains ?? {}
      return { disk: disk.id, peer: peerName(state, disk.peer), rack, zone, ...found.get(disk.id)! }
    })
}
