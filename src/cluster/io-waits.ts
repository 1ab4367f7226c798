// Whose silence stops I/O. A copy that counts as in sync has to take part in every write, and in the
// confirmation of reads without a lease; that it does not count any more is for the voters to decide.
import type { ClusterState, PolicyRecord } from '../data/state.ts'
import type { Finding } from './status.ts'
import { type PresenceOf, volumesOf, volumesText } from './views.ts'

/** Names of the peers that copies of the policy wait for; empty while there is somebody to decide. */
export function waitsFor(
  state: ClusterState,
  policy: PolicyRecord,
  presenceOf: PresenceOf,
): string[] {
  if (state.reachable) return []
  const counted = new Set(policy.pgs.flatMap(pg => pg.in_sync))
  const holders = new Set(
    state.disks.filter(disk => counted.has(disk.id) && disk.state === 'in').map(disk => disk.peer),
  )
  return state.peers
    .filter(peer => peer.state === 'in' && holders.has(peer.id) && isSilent(presenceOf(peer.id)))
    .map(peer => peer.name)
    .sort()
}

function isSilent(presence: ReturnType<PresenceOf>): boolean {
  return presence === 'down' || presence === 'suspect'
}

export function waitFindings(state: ClusterState, presenceOf: PresenceOf): Finding[] {
  return state.policies.flatMap(policy => {
    const names = waitsFor(state, policy, presenceOf).join(', ')
    if (names === '' || volumesOf(state, policy.id).length === 0) return []
    return [
      {
        health: 'error' as const,
        code: 'io_waits',
        message:
          `${volumesText(state, policy)}: reads and writes wait for ${names}: copies there ` +
          'count, and too few voters are left to decide that they do not',
        next: `start shoal on ${names}`,
      },
    ]
  })
}
