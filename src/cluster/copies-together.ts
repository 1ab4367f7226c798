// Placement groups whose copies lie closer together than their policy allows.
import {
  type ClusterState,
  type FailureDomain,
  type PolicyRecord,
  peerName,
  width,
} from '../data/state.ts'
import type { Finding } from './status.ts'

export function togetherFindings(state: ClusterState): Finding[] {
  return state.policies.flatMap(policy => {
    const domain = policy.failure_domain
    if (domain === 'disk') return []
    const domainOf = domains(state, domain)
    const pgs = policy.pgs.filter(pg => !isMoving(pg.members, policy))
    const shared = pgs.map(pg => twice(pg.members.map(disk => domainOf.get(disk)))).filter(isNamed)
    if (shared.length === 0) return []
    const where = [...new Set(shared)].sort().slice(0, namesShown).join(', ')
    return [
      {
        health: 'warn' as const,
        code: 'copies_together',
        message:
          `policy ${policy.name}: ${shared.length} of ${policy.pgs.length} placement groups have ` +
          `more than one copy in one ${domain} (${where}): one loss takes several`,
        next: `copies move by themselves where there is room: add disks in other ${domain}s`,
      },
    ]
  })
}

const namesShown = 5

const isNamed = (name: string | undefined): name is string => name !== undefined

/** Until the old member is gone its successor may stand beside it. */
function isMoving(members: readonly number[], policy: PolicyRecord): boolean {
  return members.length > width(policy)
}

/** The first name that is there more than once. */
function twice(names: readonly (string | undefined)[]): string | undefined {
  return names.find((name, at) => name !== undefined && names.indexOf(name) < at)
}

/** Who names no rack or zone stands for itself, as in placement. */
function domains(state: ClusterState, domain: Exclude<FailureDomain, 'disk'>): Map<number, string> {
  const peers = new Map(state.peers.map(peer => [peer.id, peer]))
  return new Map(
    state.disks.map(disk => {
      const own = peerName(state, disk.peer)
      const { rack, zone } = peers.get(disk.peer)?.domains ?? { rack: '', zone: '' }
      if (domain === 'peer') return [disk.id, own]
      if (domain === 'rack') return [disk.id, rack || own]
      return [disk.id, zone || rack || own]
    }),
  )
}
