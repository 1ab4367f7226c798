// What this peer says and what it has heard: signs its own records, checks those of others, keeps
// the newest, and tells whoever wants to know.
import type { Clock } from '../common/clock.ts'
import { isInnocent, RecordFault } from './faults.ts'
import type { Signer } from './keys.ts'
import type { MemberTable } from './members.ts'
import type { Verdict } from './node.ts'
import type { Body, GossipRecord, Kind } from './record.ts'
import { decodeRecord, encodeRecord } from './record-codec.ts'
import { RecordStore, type SummaryEntry } from './record-store.ts'
import type { SyncSource } from './sync-stream.ts'

export interface RecordsInit {
  clusterId: string
  self: number
  sign: Signer
  members: MemberTable
  clock: Clock
  /** A record of another peer that is news here. */
  onNews: (record: GossipRecord) => void
  /** A record that is wrong, and who sent it. */
  onFault: (fault: RecordFault, sender: string) => void
}

export class Records implements SyncSource {
  readonly #init: RecordsInit
  readonly #store = new RecordStore()
  #incarnation: number
  #sequence = 0

  constructor(init: RecordsInit) {
    this.#init = init
    // Greater than that of the last start, as long as the clock was not set back meanwhile; if it
    // was, a neighbour shows what this peer said before, and it is raised beyond that.
    this.#incarnation = init.clock.nowMs()
  }

  /** The record to be published. */
  say(body: Body): Uint8Array {
    const { clusterId, self, sign } = this.#init
    const origin = { peer: self, incarnation: this.#incarnation, sequence: ++this.#sequence }
    const bytes = encodeRecord(clusterId, origin, body, sign)
    this.#store.offer({ origin, body, bytes })
    return bytes
  }

  /** From a topic: who published it must be whose record it is. */
  published(bytes: Uint8Array, signer: string): Verdict {
    return this.#hear(bytes, signer, record => {
      if (this.#init.members.peerOf(signer) !== record.origin.peer)
        throw new RecordFault('not_its_signer', `${signer} published what another peer says`)
    })
  }

  /** From a neighbour that passes on what it has heard. */
  take(records: readonly Uint8Array[]): void {
    for (const bytes of records) this.#hear(bytes, 'a neighbour', () => undefined)
  }

  summary(): SummaryEntry[] {
    return this.#store.summary()
  }

  missing(summary: readonly SummaryEntry[]): Uint8Array[] {
    return this.#store.missing(summary)
  }

  newest(kind: Exclude<Kind, 'event'>, peer: number): GossipRecord | undefined {
    return this.#store.newest(kind, peer)
  }

  forgetStrangers(): void {
    this.#store.keepOnly(peer => this.#init.members.has(peer))
  }

  #hear(bytes: Uint8Array, sender: string, check: (record: GossipRecord) => void): Verdict {
    try {
      const { clusterId, members } = this.#init
      const record = decodeRecord(clusterId, bytes, peer => members.verifierOf(peer))
      check(record)
      return this.#learn(record, bytes) ? 'accept' : 'ignore'
    } catch (thrown) {
      if (!(thrown instanceof RecordFault)) throw thrown
      this.#init.onFault(thrown, sender)
      return isInnocent(thrown.code) ? 'ignore' : 'reject'
    }
  }

  #learn(record: GossipRecord, bytes: Uint8Array): boolean {
    if (record.origin.peer === this.#init.self) {
      this.#outgrow(record.origin.incarnation)
      return false
    }
    // A COPY: what came from the network is a window on a buffer that is used again, or kept whole.
    if (!this.#store.offer({ ...record, bytes: Uint8Array.from(bytes) })) return false
    this.#init.onNews(record)
    return true
  }

  /** Said by this peer before its clock was set back: what it says now has to win. */
  #outgrow(incarnation: number): void {
    if (incarnation <= this.#incarnation || incarnation >= Number.MAX_SAFE_INTEGER) return
    this.#incarnation = incarnation + 1
  }
}
