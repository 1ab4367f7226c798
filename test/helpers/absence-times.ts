// Absences as someone counted them who saw each from its beginning on.
import type { AbsenceTimes } from '../../src/daemon/reconcile/absences.ts'
import type { ClusterState } from '../../src/data/state.ts'

export function absenceTimes(state: ClusterState, nowMs: number): AbsenceTimes {
  const awayMs = (since: number | undefined) => (since === undefined ? 0 : nowMs - since)
  return {
    ofPeer: peer => awayMs(state.peers_down.find(one => one.peer === peer)?.since_ms),
    ofDisk: disk => awayMs(state.disks_down.find(one => one.disk === disk)?.since_ms),
    nowMs,
  }
}
