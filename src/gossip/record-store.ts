// The newest record of each kind and peer, and the newest events of each peer: what a neighbour that
// missed something is given. Bounded by the number of members.
import { eventsPerPeerMax, syncRecordBytesMax } from './limits.ts'
import { compareOrigins, type GossipRecord, type Kind, type Origin } from './record.ts'

export interface StoredRecord extends GossipRecord {
  bytes: Uint8Array
}

export type SummaryEntry = { kind: Kind } & Origin

export class RecordStore {
  readonly #newest = new Map<string, StoredRecord>()
  /** By peer, oldest first. */
  readonly #events = new Map<number, StoredRecord[]>()

  /** False when it is known already, or older than what is known. */
  offer(record: StoredRecord): boolean {
    if (record.body.kind === 'event') return this.#offerEvent(record)
    const key = `${record.body.kind} ${record.origin.peer}`
    const known = this.#newest.get(key)
    if (known && compareOrigins(record.origin, known.origin) <= 0) return false
    this.#newest.set(key, record)
    return true
  }

  #offerEvent(record: StoredRecord): boolean {
    const { peer } = record.origin
    const known = this.#events.get(peer) ?? []
    const at = known.findIndex(one => compareOrigins(one.origin, record.origin) >= 0)
    if (at >= 0 && compareOrigins(known[at]!.origin, record.origin) === 0) return false
    if (at === 0 && known.length >= eventsPerPeerMax) return false
    known.splice(at < 0 ? known.length : at, 0, record)
    if (known.length > eventsPerPeerMax) known.shift()
    this.#events.set(peer, known)
    return true
  }

  *records(): Iterable<StoredRecord> {
    yield* this.#newest.values()
    for (const events of this.#events.values()) yield* events
  }

  newest(kind: 'map' | 'digest', peer: number): StoredRecord | undefined {
    return this.#newest.get(`${kind} ${peer}`)
  }

  summary(): SummaryEntry[] {
    return [...this.records()].map(({ body, origin }) => ({ kind: body.kind, ...origin }))
  }

  /**
   * What someone with this summary lacks, as far as one sync may carry. What does not fit comes with
   * the next one: by then this is known there and no longer in the way.
   */
  missing(summary: readonly SummaryEntry[], bytesMax = syncRecordBytesMax): Uint8Array[] {
    const theirs = new Map<string, SummaryEntry>()
    for (const entry of summary) theirs.set(keyOf(entry.kind, entry), entry)
    const events = oldestEvents(summary)
    const found: Uint8Array[] = []
    let left = bytesMax
    for (const record of this.records()) {
      const known = theirs.get(keyOf(record.body.kind, record.origin))
      if (known && compareOrigins(record.origin, known) <= 0) continue
      if (record.body.kind === 'event' && isTooOld(record.origin, events)) continue
      left -= record.bytes.length
      if (left < 0) break
      found.push(record.bytes)
    }
    return found
  }

  /** Forgets whoever is no member any more. */
  keepOnly(isMember: (peer: number) => boolean): void {
    for (const [key, record] of this.#newest)
      if (!isMember(record.origin.peer)) this.#newest.delete(key)
    for (const peer of this.#events.keys()) if (!isMember(peer)) this.#events.delete(peer)
  }
}

/** Of maps and digests one is known for each peer, of events each by itself. */
function keyOf(kind: Kind, origin: Origin): string {
  const { peer, incarnation, sequence } = origin
  return kind === 'event' ? `event ${peer} ${incarnation} ${sequence}` : `${kind} ${peer}`
}

/** By peer: how many events are known there, and the oldest of them. */
function oldestEvents(
  summary: readonly SummaryEntry[],
): Map<number, { count: number; oldest: Origin }> {
  const found = new Map<number, { count: number; oldest: Origin }>()
  for (const entry of summary) {
    if (entry.kind !== 'event') continue
    const known = found.get(entry.peer)
    if (!known) found.set(entry.peer, { count: 1, oldest: entry })
    else {
      known.count++
      if (compareOrigins(entry, known.oldest) < 0) known.oldest = entry
    }
  }
  return found
}

/** They hold as many as anyone keeps, all of them newer: they would not take it. */
function isTooOld(
  origin: Origin,
  events: ReadonlyMap<number, { count: number; oldest: Origin }>,
): boolean {
  const known = events.get(origin.peer)
  return (
    known !== undefined &&
    known.count >= eventsPerPeerMax &&
    compareOrigins(origin, known.oldest) < 0
  )
}
