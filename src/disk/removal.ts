// What would be lost if disks went away: a question to the cluster state, asked before the act.
import {
  type ClusterState,
  disksThere,
  type FailureDomain,
  peerName,
  width,
} from '../data/state.ts'

export interface RemovalLoss {
  /** Placement groups of which no other copy that is in sync can be had now. */
  lost: number
  /** Placement groups that would have fewer copies than their policy wants. */
  degraded: number
  /** No other disk could take their place: they would stay short. */
  isStuck: boolean
  policies: string[]
}

export function whatRemovalLoses(state: ClusterState, disks: ReadonlySet<number>): RemovalLoss {
  const there = disksThere(state)
  const isLeft = (disk: number) => there.has(disk) && !disks.has(disk)
  const loss: RemovalLoss = { lost: 0, degraded: 0, isStuck: false, policies: [] }
  for (const policy of state.policies) {
    const touched = policy.pgs.filter(pg => pg.members.some(disk => disks.has(disk)))
    if (touched.length === 0) continue
    loss.policies.push(policy.name)
    loss.degraded += touched.length
    const only = touched.filter(pg => pg.in_sync.some(disk => disks.has(disk)))
    loss.lost += only.filter(pg => !pg.in_sync.some(isLeft)).length
    const domains = new Set(
      state.disks
        .filter(disk => disk.state === 'in' && !disks.has(disk.id))
        .filter(disk => policy.class === null || disk.class === policy.class)
        .map(disk => domainOf(state, disk.id, policy.failure_domain)),
    )
    if (domains.size < width(policy)) loss.isStuck = true
  }
  return loss
}

/** The failure domain of a disk, as a text that is equal for disks that fail together. */
export function domainOf(state: ClusterState, diskId: number, domain: FailureDomain): string {
  const disk = state.disks.find(one => one.id === diskId)
  if (!disk || domain === 'disk') return `disk ${diskId}`
  const peer = state.peers.find(one => one.id === disk.peer)
  const ofPeer = `peer ${peerName(state, disk.peer)}`
  if (!peer || domain === 'peer') return ofPeer
  const zone = peer.domains.zone === '' ? ofPeer : `zone ${peer.domains.zone}`
  if (domain === 'zone') return zone
  return peer.domains.rack === '' ? ofPeer : `${zone} rack ${peer.domains.rack}`
}
