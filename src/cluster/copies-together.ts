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
  return state.policies.flatMap(policy =>
    boundsOf(policy).flatMap(([domain, most]) => findings(state, policy, domain, most)),
  )
}

type Together = Exclude<FailureDomain, 'disk'>

/** Most copies in one of these: one in the failure domain, unless a bound of its own takes its place. */
function boundsOf({ failure_domain, max_per }: PolicyRecord): [Together, number][] {
  const levels: Together[] = ['peer', 'rack', 'zone']
  return levels.flatMap((level): [Together, number][] => {
    const most = max_per[level] ?? (level === failure_domain ? 1 : null)
    return most === null ? [] : [[level, most]]
  })
}

function findings(
  state: ClusterState,
  policy: PolicyRecord,
  domain: Together,
  most: number,
): Finding[] {
  const domainOf = domains(state, domain)
  const pgs = policy.pgs.filter(pg => !isMoving(pg.members, policy))
  const namesOf = (members: readonly number[]) => members.map(disk => domainOf.get(disk))
  const shared = pgs.map(pg => tooMany(namesOf(pg.members), most)).filter(isNamed)
  if (shared.length === 0) return []
  const where = [...new Set(shared)].sort().slice(0, namesShown).join(', ')
  const copies = most === 1 ? 'one copy' : `${most} copies`
  return [
    {
      health: 'warn' as const,
      code: 'copies_together',
      message:
        `policy ${policy.name}: ${shared.length} of ${policy.pgs.length} placement groups have ` +
        `more than ${copies} in one ${domain} (${where}): one loss takes several`,
      next: `copies move by themselves where there is room: add disks in other ${domain}s`,
    },
  ]
}

const namesShown = 5

const isNamed = (name: string | undefined): name is string => name !== undefined

/** Until the old member is gone its successor may stand beside it. */
function isMoving(members: readonly number[], policy: PolicyRecord): boolean {
  return members.length > width(policy)
}

/** The first name that is there more than `most` times. */
function tooMany(names: readonly (string | undefined)[], most: number): string | undefined {
  return names.find(
    (name, at) =>
      name !== undefined && names.slice(0, at).filter(one => one === name).length >= most,
  )
}

/** Who names no rack or zone stands for itself, as in placement. */
function domains(state: ClusterState, domain: Together): Map<number, string> {
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
