// Disks and peers that are being left: how many groups still have a member there.
import { holdings } from '../data/holdings.ts'
import type { ClusterState } from '../data/state.ts'
import type { TaskView } from './task-view.ts'

/** `isAtRest`: nothing moves and nothing waits to; what is left then has no other place. */
export function drainTasks(state: ClusterState, isAtRest: boolean): TaskView[] {
  const held = holdings(state)
  const task = (id: string, what: string, left: number) => drainTask({ id, what, left, isAtRest })
  const disks = state.disks
    .filter(disk => disk.state === 'draining')
    .map(disk => task(`drain-disk-${disk.id}`, `disk ${disk.id}`, held(disk.id).groups))
  const peers = state.peers
    .filter(peer => peer.state === 'draining')
    .map(peer => {
      const own = state.disks.filter(disk => disk.peer === peer.id)
      const left = own.reduce((sum, disk) => sum + held(disk.id).groups, 0)
      return task(`drain-peer-${peer.name}`, `peer ${peer.name}`, left)
    })
  return [...disks, ...peers]
}

interface Drain {
  id: string
  what: string
  left: number
  isAtRest: boolean
}

function drainTask({ id, what, left, isAtRest }: Drain): TaskView {
  return {
    id,
    kind: 'drain',
    state: left === 0 ? 'done' : isAtRest ? 'blocked' : 'running',
    done: 0,
    total: left,
    unit: 'items',
    message: messageOf(what, left, isAtRest),
    rate: null,
    eta_seconds: null,
    members_left: left,
  }
}

function messageOf(what: string, left: number, isAtRest: boolean): string {
  if (left === 0) return `${what} is empty: it may be removed`
  const groups = `${left} groups are left on ${what}`
  return isAtRest ? `${groups}, and no other disk may take them: add disks` : groups
}
