// What the events of the cluster say of scrubs and of lost blocks (docs/formats/control.md, "Scrubs"):
// plain functions of the cluster state.
import type { RunningScrub } from '../cluster/scrub-tasks.ts'
import { disksAway } from '../cluster/views.ts'
import {
  type ClusterState,
  type EventRecord,
  peerName,
  pgsOf,
  type VolumeRecord,
} from '../data/state.ts'

const blockBytes = 4096

export interface ScrubResult {
  blocks: number
  bad: number
  repaired: number
  lost: number
  /** Bad, and could not be repaired at that moment; the next scrub tries again. */
  postponed: number
  /** Bad places of metadata; written anew. */
  metadata: number
}

export interface DiskScrubView {
  disk: number
  peer: string
  /** Null until it is done. */
  result: ScrubResult | null
  /** Bytes of this volume and seconds left; null before its turn, and while nothing was told. */
  running: { done: number; total: number; eta_s: number | null } | null
  /** It, or its peer, is down: it answers when it is back. */
  is_away: boolean
}

export interface ScrubView {
  id: number
  asked_at: string
  is_done: boolean
  disks: DiskScrubView[]
}

export interface DamageRange {
  /** Bytes of the volume. */
  offset: number
  length: number
}

interface WhichScrub {
  /** Null: the newest one. */
  id: number | null
  running: readonly RunningScrub[]
}

export function scrubOf(
  state: ClusterState,
  volume: VolumeRecord,
  { id, running }: WhichScrub,
): ScrubView | null {
  const asked = state.events.findLast(
    event => isAskedOf(event, volume) && (id === null || event.id === id),
  )
  if (!asked) return null
  const members = new Set(pgsOf(state, volume.policy).flatMap(pg => pg.in_sync))
  const results = resultsOf(state, asked.id)
  const all = [...new Set([...members, ...results.keys()])].sort((a, b) => a - b)
  const away = disksAway(state)
  const disks = all.map(disk => ({
    disk,
    peer: peerName(state, state.disks.find(one => one.id === disk)?.peer ?? null),
    result: results.get(disk) ?? null,
    running: away.has(disk) ? null : progressOf(running, disk, asked.id),
    is_away: away.has(disk),
  }))
  const asked_at = new Date(asked.time_ms).toISOString()
  const is_done = [...members].every(disk => results.has(disk))
  return { id: asked.id, asked_at, is_done, disks }
}

function progressOf(running: readonly RunningScrub[], disk: number, order: number) {
  const found = running.find(one => one.disk === disk && one.order === order)
  return found ? { done: found.done, total: found.total, eta_s: found.eta_s } : null
}

/** Answers to one scrub, by disk. */
export function resultsOf(state: ClusterState, id: number): Map<number, ScrubResult> {
  const found = new Map<number, ScrubResult>()
  for (const event of state.events) {
    if (event.code !== 'scrub_done') continue
    const fields = fieldsOf(event.subject)
    if (fields.get('scrub') === id) found.set(fields.get('disk') ?? 0, resultOf(fields))
  }
  return found
}

/** Blocks that had no good copy, as far as the last complete scrub and all reads since have told. */
export function damageOf(state: ClusterState, volume: VolumeRecord): DamageRange[] {
  const from = lastComplete(state, volume)
  const subject = `volume:${volume.id} blocks:`
  const told = state.events.filter(
    event => event.id > from && event.code === 'block_lost' && event.subject.startsWith(subject),
  )
  const blocks = new Set(told.flatMap(event => blocksOf(event.subject.slice(subject.length))))
  const ranges: DamageRange[] = []
  for (const block of [...blocks].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    const offset = block * blockBytes
    if (last && last.offset + last.length === offset) last.length += blockBytes
    else ranges.push({ offset, length: blockBytes })
  }
  return ranges
}

function lastComplete(state: ClusterState, volume: VolumeRecord): number {
  const asked = state.events.filter(event => isAskedOf(event, volume))
  return (
    asked.findLast(event => scrubOf(state, volume, { id: event.id, running: [] })?.is_done)?.id ?? 0
  )
}

function isAskedOf(event: EventRecord, volume: VolumeRecord): boolean {
  return event.code === 'scrub_asked' && event.subject === `volume:${volume.id}`
}

/** `key:number` pairs. */
function fieldsOf(subject: string): Map<string, number> {
  const pairs = subject.split(' ').map(pair => pair.split(':'))
  return new Map(pairs.map(([key, value]) => [key ?? '', Number(value)] as const))
}

function resultOf(fields: ReadonlyMap<string, number>): ScrubResult {
  const number = (key: string) => fields.get(key) ?? 0
  return {
    blocks: number('blocks'),
    bad: number('bad'),
    repaired: number('repaired'),
    lost: number('lost'),
    postponed: number('postponed'),
    metadata: number('metadata'),
  }
}

/** `first+count,...` */
function blocksOf(list: string): number[] {
  return list.split(',').flatMap(range => {
    const [first = 0, count = 0] = range.split('+').map(Number)
    return Array.from({ length: count }, (_, i) => first + i)
  })
}
