// Who decides, and what may still fail: plain functions of the cluster state.
import { type ClusterState, type PeerRecord, peerName } from '../data/state.ts'
import type { PresenceOf } from './views.ts'

export interface VotersView {
  voters: string[]
  /** Voters that are not there. */
  down: string[]
  /** Voters that may fail now without stopping decisions. */
  mayFail: number
}

const nothingHeard: PresenceOf = () => undefined

/** Without a leader nobody marks peers as down, and what was heard has to do. */
export function votersView(state: ClusterState, presenceOf = nothingHeard): VotersView {
  const isSilent = (id: number) => ['down', 'suspect'].includes(presenceOf(id) ?? '')
  const isAway = (id: number) => !isThere(state, id) || (!state.reachable && isSilent(id))
  const down = state.voters.filter(isAway)
  const majority = Math.floor(state.voters.length / 2) + 1
  const spare = state.reachable ? state.voters.length - down.length - majority : 0
  return {
    voters: state.voters.map(id => peerName(state, id)),
    down: down.map(id => peerName(state, id)),
    mayFail: Math.max(0, spare),
  }
}

/** What the loss of voters would mean, in one sentence. */
export function safety(state: ClusterState, presenceOf = nothingHeard): string {
  const { voters, down, mayFail } = votersView(state, presenceOf)
  const names = voters.join(', ')
  if (!state.reachable) return `${undecided(names, down)}: ${stillGoes}`
  if (voters.length === 1) return `${names} decides alone: ${aloneMeans(state)}`
  const others = voters.filter(name => !down.includes(name)).join(', ')
  if (down.length === 0 && mayFail === 1) return `one of the voters ${names} may fail`
  if (down.length === 0) return `${mayFail} of the voters ${names} may fail at the same time`
  const away = `of the voters ${down.join(', ')} ${down.length === 1 ? 'is' : 'are'} away`
  if (mayFail > 0) return `${away}; ${mayFail} more of ${others} may fail`
  return (
    `${away}: if one more of ${others} goes, nothing can be ` +
    'changed until it is back; I/O goes on as long as no copy is lost'
  )
}

const stillGoes = 'nothing can be changed; I/O goes on until a copy is lost'

function undecided(names: string, down: string[]): string {
  const silent = down.length === 0 ? '' : ` (nothing is heard of ${down.join(', ')})`
  return `fewer than half of the voters ${names} can be reached from here${silent}`
}

function aloneMeans(state: ClusterState): string {
  const means =
    'while it is away nothing can be changed and no lost copy can be taken out; other I/O goes on'
  if (state.peers.filter(peer => canVote(state, peer)).length >= 3)
    return `${means}; two more become voters by themselves once they are up`
  return `${means}; a third peer, or a witness (shoal cluster join --witness), ends that`
}

export function canVote(state: ClusterState, peer: PeerRecord): boolean {
  return peer.state !== 'out' && !state.never_vote.includes(peer.id)
}

function isThere(state: ClusterState, id: number): boolean {
  const peer = state.peers.find(one => one.id === id)
  return peer !== undefined && peer.state !== 'down'
}
