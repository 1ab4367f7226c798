// Somebody who uses a volume through whichever peer serves it: several NBD connections to one peer,
// and when that does not answer any more, to the next one, by force. All that was asked and told is
// in the history.
import type { ApiClient } from '../../src/api/client.ts'
import { ShoalError } from '../../src/common/errors.ts'
import { seededRandom } from '../../src/common/random.ts'
import type { BlockClient, History } from './history.ts'
import { NbdSocket } from './nbd-socket.ts'
import { sleep } from './sleep.ts'

export const userBlocks = 24
const connections = 3
const restMs = 4
const betweenTriesMs = 200

export interface RoamingInit {
  history: History
  volume: string
  /** What block 0 of the volume is called in the history. */
  base: number
  /** Where to go, in this order, again and again. */
  peers: () => readonly ApiClient[]
  /** So long without an answer, and the user goes elsewhere. */
  patienceMs?: number | undefined
}

export class RoamingUser {
  /** Requests that were answered well. */
  answered = 0
  moves = 0
  /** Longest time without any answer, in ms. */
  longestMs = 0
  readonly #init: RoamingInit
  readonly #random = seededRandom(7)
  readonly #patienceMs: number
  #at = 0
  #lastMs = Date.now()
  #isOver = false
  #running: Promise<void> | undefined

  constructor(init: RoamingInit) {
    this.#init = init
    this.#patienceMs = init.patienceMs ?? 6_000
  }

  start(at: number): void {
    this.#at = at
    this.#isOver = false
    this.longestMs = 0
    this.#lastMs = Date.now()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  /** Until so many more requests were answered. */
  async untilAnswered(more: number, limitMs: number): Promise<void> {
    const [goal, end] = [this.answered + more, Date.now() + limitMs]
    while (this.answered < goal) {
      if (Date.now() > end)
        throw new Error(`${this.#init.volume}: not ${more} answers within ${limitMs} ms`)
      await sleep(50)
    }
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const clients = await this.#connect()
      if (clients.length > 0) await this.#use(clients)
      else await sleep(betweenTriesMs)
    }
  }

  get #isImpatient(): boolean {
    return Date.now() - this.#lastMs > this.#patienceMs
  }

  async #connect(): Promise<BlockClient[]> {
    const { history, base, peers } = this.#init
    const api = peers()[this.#at % peers().length]!
    const uri = await within(this.#patienceMs, this.#serveAt(api, this.#isImpatient))
    const opened = uri
      ? await Promise.all(
          Array.from({ length: connections }, () => within(this.#patienceMs, NbdSocket.open(uri))),
        )
      : []
    const sockets = opened.filter(socket => socket !== null && socket !== undefined)
    if (sockets.length === 0 && this.#isImpatient) this.#moveOn()
    return sockets.map(socket => history.client(socket, base))
  }

  /** By force only after a while: a lease that is good is waited for first. */
  async #serveAt(api: ApiClient, takeover: boolean): Promise<string | null> {
    try {
      const body = { volume: this.#init.volume, kind: 'nbd', takeover } as const
      return (await api.call('export.create', { body })).uri
    } catch (thrown) {
      if (thrown instanceof ShoalError) return null
      throw thrown
    }
  }

  #moveOn(): void {
    this.#at++
    this.moves++
    // A full try at the next peer, by force.
    this.#lastMs = Date.now() - this.#patienceMs - 1
  }

  async #use(clients: BlockClient[]): Promise<void> {
    const begun = Date.now()
    const isDone = () => this.#isOver || clients.every(client => client.socket.isGone)
    const work = clients.map(client => this.#work(client, isDone))
    while (!isDone() && !(this.#silentSince(begun) > this.#patienceMs)) await sleep(20)
    const isStuck = !isDone()
    for (const { socket } of clients) socket.close()
    await Promise.all(work)
    if (isStuck) this.#moveOn()
  }

  #silentSince(begun: number): number {
    return Date.now() - Math.max(begun, this.#lastMs)
  }

  async #work(client: BlockClient, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const block = this.#below(userBlocks)
      const isFine =
        this.#below(2) === 0 ? await client.write(block) : (await client.read(block)) !== null
      if (isFine) this.#note()
      else await sleep(betweenTriesMs)
      await sleep(this.#below(2 * restMs))
    }
  }

  #below(bound: number): number {
    return Math.floor(this.#random.fraction() * bound)
  }

  #note(): void {
    const now = Date.now()
    this.longestMs = Math.max(this.longestMs, now - this.#lastMs)
    this.#lastMs = now
    this.answered++
  }
}

/** Null when it takes longer; what comes later is given up. */
async function within<T>(ms: number, work: Promise<T | null>): Promise<T | null> {
  return Promise.race([work, sleep(ms).then(() => null)])
}
