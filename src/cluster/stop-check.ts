// What would suffer if a peer stopped for a while: a plain function of the cluster state.
import { type ClusterState, disksThere, type PeerRecord, peerName, pgsOf } from '../data/state.ts'

export interface StopCheck {
  ok: boolean
  /** What would be worse, in sentences; empty when it is ok. */
  reasons: string[]
}

export function okToStop(state: ClusterState, peer: PeerRecord): StopCheck {
  const reasons = [
    ...voteReasons(state, peer),
    ...copyReasons(state, peer),
    ...headReasons(state, peer),
  ]
  return { ok: reasons.length === 0, reasons }
}

function voteReasons(state: ClusterState, peer: PeerRecord): string[] {
  if (!state.reachable) return ['no leader can be reached: what would be left is unknown']
  if (!state.voters.includes(peer.id)) return []
  const left = state.voters.filter(id => id !== peer.id && isThere(state, id))
  if (left.length > state.voters.length / 2) return []
  const names = left.map(id => peerName(state, id)).join(', ') || 'nobody'
  return [`of the voters ${names} would be left: nothing could be changed until it is back`]
}

function copyReasons(state: ClusterState, peer: PeerRecord): string[] {
  const disks = new Set(state.disks.filter(disk => disk.peer === peer.id).map(disk => disk.id))
  const there = disksThere(state)
  const isLeft = (disk: number) => there.has(disk) && !disks.has(disk)
  return state.policies.flatMap(policy => {
    const here = pgsOf(state, policy.id).filter(pg => pg.in_sync.some(disk => disks.has(disk)))
    const left = here.map(pg => pg.in_sync.filter(isLeft).length)
    const none = left.filter(count => count === 0).length
    const few = left.filter(count => count > 0 && count < policy.min_in_sync).length
    const found: string[] = []
    if (none > 0)
      found.push(`policy ${policy.name}: ${none} placement groups have no other copy in sync`)
    if (few > 0)
      found.push(
        `policy ${policy.name}: ${few} placement groups would have fewer than ` +
          `${policy.min_in_sync} copies in sync, so that writes would wait`,
      )
    return found
  })
}

/** Nobody else serves what is attached there. */
function headReasons(state: ClusterState, peer: PeerRecord): string[] {
  const held = state.volumes.filter(volume => volume.attachment?.peer === peer.id)
  if (held.length === 0) return []
  const names = held.slice(0, 5).map(volume => volume.name)
  const more = held.length > names.length ? ` and ${held.length - names.length} more` : ''
  return [`its users would lose ${names.join(', ')}${more}, attached there`]
}

function isThere(state: ClusterState, id: number): boolean {
  return state.peers.some(peer => peer.id === id && peer.state !== 'down')
}
