// Where one copy of everything is wanted, as people write it.
import { ShoalError } from '../common/errors.ts'
import type { ClusterState, PolicyRecord } from '../data/state.ts'
import { findPeer } from './peers.ts'

/** `peer:NAME`, `zone:NAME` or `none`. */
export function localizeOf(state: ClusterState, text: string): PolicyRecord['localize'] {
  if (text === 'none') return null
  // Only the first colon counts: a zone may have others in its name.
  const [, kind, name] = /^(peer|zone):(.+)$/.exec(text) ?? []
  if (kind === 'peer' && name) return { peer: findPeer(state, name).id }
  if (kind === 'zone' && name) return { zone: knownZone(state, name) }
  throw new ShoalError('bad_request', `"${text}" names no place`, {
    next: 'write peer:NAME, zone:NAME or none',
  })
}

/** A misspelt zone would be a wish that nobody keeps. */
function knownZone(state: ClusterState, name: string): string {
  if (state.peers.some(peer => peer.domains.zone === name)) return name
  throw new ShoalError('not_found', `no peer is in zone ${name}`, {
    next: `shoal cluster map --tree names all; put one there: shoal peer set PEER --domain zone=${name}`,
  })
}
