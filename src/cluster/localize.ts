// Where one copy of everything is wanted, as people write it.
import { ShoalError } from '../common/errors.ts'
import type { ClusterState, PolicyRecord } from '../data/state.ts'
import { findPeer } from './peers.ts'

/** `peer:NAME`, `zone:NAME` or `none`. */
export function localizeOf(state: ClusterState, text: string): PolicyRecord['localize'] {
  if (text === 'none') return null
  const [kind, name] = text.split(':', 2)
  if (kind === 'peer' && name) return { peer: findPeer(state, name).id }
  if (kind === 'zone' && name) return { zone: name }
  throw new ShoalError('bad_request', `"${text}" names no place`, {
    next: 'write peer:NAME, zone:NAME or none',
  })
}
