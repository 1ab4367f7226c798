// What control knows of its own peer right now, and who wants to hear of changes.
import type { Clock } from '../common/clock.ts'
import type { Hello } from '../data/protocol.ts'
import type { Presence } from '../gossip/presence.ts'
import type { DigestScrub, Fullness } from '../gossip/record.ts'
import type { Digest } from './gossip-port.ts'
import { TaskBoard } from './task-board.ts'

export class PeerState {
  readonly tasks: TaskBoard
  /** Who seems to be there, by gossip; empty without it. */
  presences: ReadonlyMap<number, Presence> = new Map()
  readonly #listeners = new Set<() => void>()
  readonly #digests = new Map<number, Digest>()
  #hello: Hello | undefined
  #peerId: number | null = null
  #isConnected = false

  constructor(clock: Clock) {
    this.tasks = new TaskBoard(clock)
  }

  /** Null before this peer is a member of a cluster. */
  get peerId(): number | null {
    return this.#peerId
  }

  get dataVersion(): string | null {
    return this.#hello?.version ?? null
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  connected(hello: Hello): void {
    this.#hello = hello
    this.#peerId = hello.peer_id
    this.#isConnected = true
    this.tasks.clear()
    this.changed()
  }

  disconnected(): void {
    this.#isConnected = false
    this.changed()
  }

  joined(peerId: number): void {
    this.#peerId = peerId
    this.changed()
  }

  /** Gossip gives each only once, and none that is older than one before. */
  digested(peer: number, digest: Digest): void {
    this.#digests.set(peer, digest)
  }

  /** Used bytes by disk, as the other peers told by gossip. */
  *digestedUse(): Iterable<[number, number]> {
    for (const digest of this.#digests.values())
      for (const disk of digest.disks) yield [disk.id, disk.used_bytes]
  }

  /** Median write time by disk in microseconds, as the other peers told by gossip. */
  *digestedWrites(): Iterable<[number, number]> {
    for (const digest of this.#digests.values())
      for (const disk of digest.disks) if (disk.write_us > 0) yield [disk.id, disk.write_us]
  }

  /** What each disk has no room for, as the other peers told by gossip. */
  *digestedFullness(): Iterable<[number, Fullness]> {
    for (const digest of this.#digests.values())
      for (const disk of digest.disks) yield [disk.id, disk.full]
  }

  /** Scrubs that run, as the other peers told by gossip. */
  *digestedScrubs(): Iterable<DigestScrub> {
    for (const digest of this.#digests.values()) yield* digest.scrubs
  }

  /** How the store of each disk is, as the other peers told by gossip. */
  *digestedStates(): Iterable<[number, string]> {
    for (const digest of this.#digests.values())
      for (const disk of digest.disks) yield [disk.id, disk.state]
  }

  onChange(call: () => void): () => void {
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  changed(): void {
    for (const call of this.#listeners) call()
  }
}
