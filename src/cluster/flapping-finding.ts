// What `status` says of peers and disks that are lost again and again.
import { type ClusterState, peerName } from '../data/state.ts'
import type { Hold } from './flapping.ts'
import type { Finding } from './status.ts'

export function heldFindings(state: ClusterState, held: readonly Hold[]): Finding[] {
  return held.map(hold => ({
    health: 'warn' as const,
    code: 'held_back',
    message:
      `${nameOf(state, hold.subject)} was lost ${hold.losses} times within ten minutes: copies on it ` +
      `are brought up to date again at ${new Date(hold.untilMs).toISOString()}, or where too few are left`,
    next: 'see to its network, power and disks: shoal event list',
  }))
}

function nameOf(state: ClusterState, subject: string): string {
  const [kind, id] = subject.split(' ')
  return kind === 'peer' ? `peer ${peerName(state, Number(id))}` : subject
}
