// Disks that are being read and verified, as people see it.
import type { LocalDisk } from '../data/protocol.ts'
import { type ClusterState, peerName } from '../data/state.ts'
import type { TaskView } from './task-view.ts'
import { disksAway } from './views.ts'

/** Of one disk; bytes. */
export interface RunningScrub {
  disk: number
  /** 0: by itself; below `firstCheck` the number of the event that asked for it; else a check of a disk. */
  order: number
  done: number
  total: number
  /** Seconds. */
  eta_s: number | null
}

/** As the data process numbers the checks of its own disks (`supervisor/scrubs.rs`). */
const firstCheck = 2 ** 48

/** Nothing or one. */
export function runningScrubOf({ disk_id, scrub }: LocalDisk): RunningScrub[] {
  if (!scrub) return []
  const { order, done, total, eta_s } = scrub
  return [{ disk: disk_id, order, done, total, eta_s }]
}

/** What is away told nothing since it went. */
export function scrubTasks(state: ClusterState, running: Iterable<RunningScrub>): TaskView[] {
  const away = disksAway(state)
  const byDisk = [...running].filter(one => !away.has(one.disk)).sort((a, b) => a.disk - b.disk)
  return byDisk.map(scrub => ({
    id: `scrub-disk-${scrub.disk}`,
    kind: 'scrub',
    state: 'running',
    done: scrub.done,
    total: scrub.total,
    unit: 'bytes',
    message: `disk ${scrub.disk} on ${holderName(state, scrub.disk)}, ${reason(state, scrub.order)}`,
    rate: null,
    eta_seconds: scrub.eta_s,
    members_left: null,
  }))
}

function holderName(state: ClusterState, disk: number): string {
  return peerName(state, state.disks.find(one => one.id === disk)?.peer ?? null)
}

function reason(state: ClusterState, order: number): string {
  if (order === 0) return 'by itself'
  if (order >= firstCheck) return 'as a check of it asked'
  const subject = state.events.find(event => event.id === order)?.subject
  const volume = state.volumes.find(one => `volume:${one.id}` === subject)
  return volume ? `copies of volume ${volume.name}` : `as scrub ${order} asked`
}
