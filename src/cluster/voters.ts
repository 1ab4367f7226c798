// Who decides, and what may still fail: plain functions of the cluster state.
import { type ClusterState, type PeerRecord, peerName } from '../data/state.ts'

export interface VotersView {
  voters: string[]
  /** Voters that are not there. */
  down: string[]
  /** Voters that may fail now without stopping decisions. */
  mayFail: number
}

export function votersView(state: ClusterState): VotersView {
  const down = state.voters.filter(id => !isThere(state, id))
  const majority = Math.floor(state.voters.length / 2) + 1
  return {
    voters: state.voters.map(id => peerName(state, id)),
    down: down.map(id => peerName(state, id)),
    mayFail: Math.max(0, state.voters.length - down.length - majority),
  }
}

/** What the loss of voters would mean, in one sentence. */
export function safety(state: ClusterState): string {
  const { voters, down, mayFail } = votersView(state)
  const names = voters.join(', ')
  if (voters.length === 1) return `${names} decides alone: ${aloneMeans(state)}`
  const others = voters.filter(name => !down.includes(name)).join(', ')
  if (down.length === 0 && mayFail === 1) return `one of the voters ${names} may fail`
  if (down.length === 0) return `${mayFail} of the voters ${names} may fail at the same time`
  if (mayFail > 0)
    return `${down.join(', ')} of the voters is away; ${mayFail} more of ${others} may fail`
  return (
    `${down.join(', ')} of the voters is away: if one more of ${others} goes, nothing can be ` +
    'changed until it is back; I/O goes on as long as no copy is lost'
  )
}

function aloneMeans(state: ClusterState): string {
  const means =
    'while it is away nothing can be changed and no lost copy can be taken out; other I/O goes on'
  if (state.peers.filter(peer => canVote(state, peer)).length >= 3) return means
  return `${means}; a third peer, or a witness (shoal cluster join --witness), ends that`
}

export function canVote(state: ClusterState, peer: PeerRecord): boolean {
  return peer.state !== 'out' && !state.never_vote.includes(peer.id)
}

function isThere(state: ClusterState, id: number): boolean {
  const peer = state.peers.find(one => one.id === id)
  return peer !== undefined && peer.state !== 'down'
}
