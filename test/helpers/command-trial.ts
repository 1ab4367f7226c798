// A command that is cut short by kill -9 at a random moment, and asked again.
import { ShoalError } from '../../src/common/errors.ts'
import type { seededRandom } from '../../src/common/random.ts'
import { retried } from './api.ts'
import type { NetCluster } from './net-cluster.ts'
import { sleep } from './sleep.ts'

const limitMs = 120_000
/** Until it is known how long a command takes. */
const usualMs = 200
const betweenMs = 100

export interface Victim {
  name: string
  /** Otherwise the peer that is asked. */
  isLeader: boolean
  part?: 'data' | 'control'
}

export const victims: Victim[] = [
  { name: 'data process killed', isLeader: false, part: 'data' },
  { name: 'control process killed', isLeader: false, part: 'control' },
  { name: 'both killed', isLeader: false },
  { name: 'leader killed', isLeader: true },
]

export interface Stage {
  name: string
  /** Peer that is asked. */
  at: string
  ask: () => Promise<unknown>
  /** Errors that say that there is nothing left to do. */
  done: string[]
  /** Whether all is as it should be in the end. */
  check: () => Promise<boolean>
}

export class CommandTrial {
  readonly #net: NetCluster
  readonly #random: ReturnType<typeof seededRandom>
  /** The longest time of each command so far. */
  readonly #tookMs = new Map<string, number>()

  constructor(net: NetCluster, random: ReturnType<typeof seededRandom>) {
    this.#net = net
    this.#random = random
  }

  async run(victim: Victim, stage: Stage): Promise<void> {
    const afterMs = await this.cut(victim, stage)
    const begun = Date.now()
    const said = await this.again(stage.ask, stage.done)
    const tookMs = Date.now() - begun
    if (said === 'ok') this.#note(stage.name, Math.min(tookMs, 2_000))
    await until(`${stage.name}, ${victim.name} after ${afterMs} ms`, stage.check)
    console.log(`      ${stage.name}: killed after ${afterMs} ms, again: ${said}, ${tookMs} ms`)
  }

  /** Asks, kills, and starts what was killed. Gives when it was killed, in ms. */
  async cut(victim: Victim, { name, at, ask }: Stage): Promise<number> {
    const target = victim.isLeader ? await this.#net.leader() : at
    const begun = Date.now()
    const asked = ask().then(
      () => this.#note(name, Date.now() - begun),
      () => undefined,
    )
    const afterMs = Math.round(this.#random.fraction() * 1.2 * (this.#tookMs.get(name) ?? usualMs))
    await sleep(afterMs)
    await this.#net.kill(target, victim.part)
    // A dead data process is started again by its control process.
    if (victim.part !== 'data') await this.#net.start(target)
    await Promise.race([asked, sleep(limitMs)])
    return afterMs
  }

  /** Until it works or says that it is done. */
  async again(ask: () => Promise<unknown>, done: string[]): Promise<string> {
    const end = Date.now() + limitMs
    for (;;) {
      try {
        await ask()
        return 'ok'
      } catch (thrown) {
        if (!(thrown instanceof ShoalError)) throw thrown
        if (done.includes(thrown.code)) return thrown.code
        if (Date.now() > end) throw thrown
      }
      await sleep(betweenMs)
    }
  }

  #note(name: string, ms: number): void {
    this.#tookMs.set(name, Math.max(this.#tookMs.get(name) ?? 0, ms))
  }
}

export async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await retried(limitMs, isTrue))) {
    if (Date.now() > end) throw new Error(`not true after ${limitMs} ms: ${what}`)
    await sleep(betweenMs)
  }
}
