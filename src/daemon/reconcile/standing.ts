// Peers whose session lapsed are marked down, so that every peer shows it; up again when it is
// back.
import { type Command, updatePeer } from '../../data/command.ts'
import type { ClusterState } from '../../data/state.ts'

export interface SessionView {
  peer: number
  isLive: boolean
}

export function planStanding(state: ClusterState, sessions: readonly SessionView[]): Command[] {
  const live = new Map(sessions.map(session => [session.peer, session.isLive]))
  const commands: Command[] = []
  for (const peer of state.peers) {
    const isLive = live.get(peer.id)
    if (isLive === undefined) continue
    if (peer.state === 'in' && !isLive) commands.push(...mark(peer.id, peer.name, 'down'))
    // One that stopped in order says by itself when it is back: its session may outlive its end.
    if (peer.state === 'down' && isLive && !state.left.includes(peer.id))
      commands.push(...mark(peer.id, peer.name, 'in'))
  }
  return commands
}

function mark(peer: number, name: string, state: 'in' | 'down'): Command[] {
  const isDown = state === 'down'
  return [
    updatePeer(peer, { state }),
    {
      type: 'record_event',
      severity: isDown ? 'warn' : 'info',
      code: isDown ? 'peer_down' : 'peer_up',
      message: `peer ${name} is ${isDown ? 'down' : 'up again'}`,
      subject: `peer ${name}`,
    },
  ]
}
