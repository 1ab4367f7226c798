// Who has been away for too long: their disks are given up, and their data is made anew elsewhere.
// Disks that come back are taken back, whether or not something took their place meanwhile.
import type { Command } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'
import { whatRemovalLoses } from '../../disk/removal.ts'

/** How long each has been away, as counted here; and the wall clock, for what people announced. */
export interface AbsenceTimes {
  ofPeer: (peer: number) => number
  ofDisk: (disk: number) => number
  nowMs: number
}

export function planAbsences(state: ClusterState, times: AbsenceTimes): Command[] {
  const back = disksBack(state)
  if (back.length > 0) return [{ type: 'take_back_disks', disks: back }]
  const gone = disksGone(state, times).filter(disk => !state.given_up.includes(disk))
  // Where nothing else could hold the data, giving up a copy would help nobody.
  if (gone.length === 0 || whatRemovalLoses(state, new Set(gone)).isStuck) return []
  return [{ type: 'give_up_disks', disks: gone }]
}

/** Grows when an absence gets too long: time alone is no event. */
export function lateAbsences(state: ClusterState, times: AbsenceTimes): number {
  return disksGone(state, times).length
}

function disksGone(state: ClusterState, times: AbsenceTimes): number[] {
  const limitMs = state.settings.rebuild_after_ms
  const peers = new Set(
    state.peers_down
      .filter(one => times.ofPeer(one.peer) >= limitMs && !isPlanned(state, one.peer, times.nowMs))
      .map(one => one.peer),
  )
  const alone = new Set(
    state.disks_down.filter(one => times.ofDisk(one.disk) >= limitMs).map(one => one.disk),
  )
  return (
    state.disks
      .filter(disk => disk.state === 'in' || disk.state === 'down')
      // It may have the only newest copy: people decide.
      .filter(disk => !state.missing?.includes(disk.id))
      .filter(disk => peers.has(disk.peer) || (alone.has(disk.id) && isIn(state, disk.peer)))
      .map(disk => disk.id)
  )
}

function disksBack(state: ClusterState): number[] {
  const stillDown = new Set(state.disks_down.map(one => one.disk))
  return state.disks
    .filter(disk => state.given_up.includes(disk.id) && !stillDown.has(disk.id))
    .filter(disk => isIn(state, disk.peer))
    .map(disk => disk.id)
}

function isPlanned(state: ClusterState, peerId: number, nowMs: number): boolean {
  const peer = state.peers.find(one => one.id === peerId)
  return peer !== undefined && peer.maintenance_until_ms > nowMs
}

function isIn(state: ClusterState, peerId: number): boolean {
  return state.peers.find(one => one.id === peerId)?.state === 'in'
}
