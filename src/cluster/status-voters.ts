// What `status` says of those who decide.
import { type ClusterState, isMissed, peerName } from '../data/state.ts'
import type { Finding } from './status.ts'
import type { PresenceOf } from './views.ts'
import { canVote, safety, votersView } from './voters.ts'

export function voterFindings(
  state: ClusterState,
  self: number | null,
  presenceOf: PresenceOf,
): Finding[] {
  if (isCutOff(state, self)) return [cutOff]
  return [
    ...leaderFindings(state, presenceOf),
    ...forgottenFindings(state),
    ...aloneFindings(state),
  ]
}

/** The others do not talk to a peer that was removed: it may have learnt so, or never will. */
function isCutOff(state: ClusterState, self: number | null): boolean {
  if (self === null || state.reachable) return false
  const own = state.peers.find(peer => peer.id === self)
  return own === undefined || own.state === 'out'
}

/** NO WORD OF RECOVERING HERE: the cluster is well, and would be split. */
const cutOff: Finding = {
  health: 'error',
  code: 'not_a_member',
  message: 'this peer is no member of the cluster: it was removed; what it shows is old',
  next:
    'stop it; to use the machine again, start it with an empty directory and let it join anew: ' +
    'shoal cluster join TOKEN',
}

function leaderFindings(state: ClusterState, presenceOf: PresenceOf): Finding[] {
  const { down } = votersView(state, presenceOf)
  if (!state.reachable) {
    return [
      {
        health: 'error',
        code: 'no_leader',
        message: safety(state, presenceOf),
        next:
          `start ${down.length > 0 ? `shoal on ${down.join(', ')}` : 'the peers that vote'}; ` +
          'if they are gone for good: shoal cluster recover --help',
      },
    ]
  }
  if (down.length === 0) return []
  return [
    {
      health: 'warn',
      code: 'voter_down',
      message: safety(state),
      next: `start shoal on ${down.join(', ')}; a voter that stays away is replaced if there is a peer to do it`,
    },
  ]
}

function forgottenFindings(state: ClusterState): Finding[] {
  return state.never_vote
    .filter(id => !isMissed(state, id))
    .map(id => ({
      health: 'warn' as const,
      code: 'voter_lost_log',
      message: `${peerName(state, id)} lost its consensus log: it serves, but never votes again`,
      next: `to have it vote: shoal peer remove ${peerName(state, id)}, then let it join anew`,
    }))
}

/** Nothing is wrong, but it should be known: two peers cannot both be needed and dispensable. */
function aloneFindings(state: ClusterState): Finding[] {
  const able = state.peers.filter(peer => canVote(state, peer))
  if (!state.reachable || state.voters.length > 1 || able.length !== 2) return []
  return [
    {
      health: 'ok',
      code: 'single_voter',
      message: safety(state),
      next: 'let a third peer join, with disks or as a witness: shoal cluster join --witness TOKEN',
    },
  ]
}
