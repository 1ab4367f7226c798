// Disks and peers that are out are forgotten once nothing rests on them.
import { unusedDisks } from '../../cluster/unused-disks.ts'
import type { Command } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'

/** A disk whose peer is there is let go by that peer, which also marks it as free. */
export function planRemovals(state: ClusterState, presentDisks: ReadonlySet<number>): Command[] {
  const abandoned = unusedDisks(state).filter(disk => !presentDisks.has(disk.id))
  if (abandoned.length > 0) return abandoned.map(disk => ({ type: 'remove_disk', disk: disk.id }))
  return state.peers
    .filter(peer => peer.state === 'out' && !state.disks.some(disk => disk.peer === peer.id))
    .filter(peer => !state.voters.includes(peer.id))
    .filter(peer => !state.volumes.some(volume => volume.attachment?.peer === peer.id))
    .map(peer => ({ type: 'remove_peer', peer: peer.id }))
}

/** Members on disks that went out for good stop counting, as far as another copy is in sync. */
export function planEvictions(state: ClusterState, presentDisks: ReadonlySet<number>): Command[] {
  const gone = state.disks.filter(disk => disk.state === 'out' && !presentDisks.has(disk.id))
  return gone
    .filter(disk =>
      state.policies.some(policy =>
        policy.pgs.some(pg => pg.in_sync.includes(disk.id) && pg.in_sync.length > 1),
      ),
    )
    .map(disk => ({
      type: 'pg_remove',
      target: { disk: disk.id },
      reason: 'ordered',
      only: null,
    }))
}
