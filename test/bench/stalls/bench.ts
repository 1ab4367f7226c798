// The cluster under test and what can be done to it. The load is fio through NBD; what has to be
// timed from outside is a single write of a small client.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { exportAt, retried } from '../../helpers/api.ts'
import { NbdSocket } from '../../helpers/nbd-socket.ts'
import { NetCluster } from '../../helpers/net-cluster.ts'
import { sleep } from '../../helpers/sleep.ts'
import type { Sample } from './cases.ts'

const volume = 'load'
const limitMs = 120_000
const seconds = 9
const settleMs = 2_000
/** The first peer: it votes and stores nothing. */
const bare = 'p1'
const storing = ['p2', 'p3', 'p4']

export class StallBench {
  readonly #explainMs: number
  readonly #net = new NetCluster({ peers: 4, diskless: [bare], groups: 32 })

  /** Trials that waited for so long are explained on stderr. */
  constructor({ explainMs = Number.POSITIVE_INFINITY } = {}) {
    this.#explainMs = explainMs
  }

  async up(): Promise<void> {
    await this.#net.up()
    const body = { name: volume, size: 2 ** 28, policy: 'default', block_size: 4096 } as const
    await retried(limitMs, () => this.#api(bare).call('volume.create', { body }))
    await this.#whole()
    // What was never written is no measure: the first write of a block is another one.
    await this.#fio('p2', ['--rw=write', '--bs=256k', '--size=64M'])
  }

  down(): Promise<void> {
    return this.#net.down()
  }

  /** One that stores, does not lead, and will not serve the load. */
  async member(): Promise<string> {
    const leader = await this.#whole()
    return storing.find(name => name !== leader)!
  }

  async leaderWithCopy(): Promise<string> {
    return this.#leaderAmong(name => storing.includes(name))
  }

  async leaderWithoutCopy(): Promise<string> {
    return this.#leaderAmong(name => name === bare)
  }

  /** A leader that stops in order hands on; whoever starts anew is behind the others for a while. */
  async #leaderAmong(isWanted: (name: string) => boolean): Promise<string> {
    for (;;) {
      const leader = await this.#whole()
      if (isWanted(leader)) return leader
      await this.#net.stop(leader)
      await this.#net.start(leader)
    }
  }

  kill(name: string): Promise<void> {
    return this.#net.kill(name)
  }

  /** Neither a word nor a reset from it any more. */
  async vanish(name: string): Promise<void> {
    const others = this.#net.names.filter(other => other !== name)
    this.#net.split([name], others)
  }

  async restart(name: string): Promise<void> {
    await this.#net.stop(name)
    await this.#net.start(name)
  }

  /** The longest write while `act` happens, served by a peer that it does not happen to. */
  async loaded(act: () => Promise<unknown>, more: { away?: string[] } = {}): Promise<Sample> {
    const leader = await this.#whole()
    const away = more.away ?? []
    const able = storing.filter(name => !away.includes(name))
    const user = able.find(name => name !== leader) ?? able[0]!
    const load = this.#fio(user, [
      ...['--rw=randwrite', '--bs=4k', '--iodepth=4', '--size=64M'],
      ...['--time_based=1', `--runtime=${seconds}`],
    ])
    await sleep(settleMs)
    await act()
    const sample = await load
    this.#net.heal()
    for (const name of away) if (this.#net.pids(name).control === null) await this.#net.start(name)
    return sample
  }

  async takeOver(trial: number): Promise<Sample> {
    await this.#whole()
    const [from, to] = turn(trial)
    const old = await this.#serve(from)
    await write(old.uri)
    const begun = performance.now()
    await this.#net.kill(from)
    const made = await exportAt(this.#api(to), volume, { limitMs })
    await write(made.uri)
    const longestMs = performance.now() - begun
    await this.#release(to, made.id)
    await this.#net.start(from)
    return { longestMs }
  }

  /** Given back by the last peer, asked for at the next one. */
  async moveHead(trial: number): Promise<Sample> {
    await this.#whole()
    const [from, to] = turn(trial)
    const old = await this.#serve(from)
    await write(old.uri)
    await this.#release(from, old.id)
    const begun = performance.now()
    const made = await exportAt(this.#api(to), volume, { limitMs })
    await write(made.uri)
    const longestMs = performance.now() - begun
    await this.#release(to, made.id)
    return { longestMs }
  }

  /** Once nothing is missing anywhere; gives the leader. */
  async #whole(): Promise<string> {
    await this.#net.waitHealthy(limitMs)
    return this.#net.leader()
  }

  #api(name: string) {
    return this.#net.peer(name).api
  }

  #serve(name: string): Promise<{ id: number; uri: string }> {
    return exportAt(this.#api(name), volume, { limitMs })
  }

  async #release(name: string, id: number): Promise<void> {
    const input = { params: { id }, query: { force: true } }
    await retried(limitMs, () => this.#api(name).call('export.delete', input))
  }

  async #fio(user: string, more: string[]): Promise<Sample> {
    const { id, uri } = await this.#serve(user)
    const begun = Date.now()
    const settings = ['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--output-format=json']
    const fio = spawn('fio', [...settings, '--randseed=7', ...more], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let out = ''
    fio.stdout.on('data', chunk => {
      out += chunk
    })
    await once(fio, 'close')
    const [job] = JSON.parse(out.slice(out.indexOf('{'))).jobs
    if (job.error !== 0) throw new Error('fio saw an error')
    const { max, percentile } = job.write.clat_ns
    if (max / 1e6 >= this.#explainMs) await this.#explain(user, begun)
    await this.#release(user, id)
    return { longestMs: max / 1e6, p999Ms: percentile['99.900000'] / 1e6 }
  }

  /** What the head saw of the slowest operations since then, and what the cluster said. */
  async #explain(user: string, since: number): Promise<void> {
    const api = this.#api(user)
    const slow = await api.call('slow.list', { query: { limit: 50 } })
    for (const one of slow.filter(op => op.at_ms >= since).slice(0, 8)) console.error(one)
    const events = await api.call('event.list', { query: {} })
    const news = events.filter(event => event.time_ms >= since)
    for (const { time_ms, code, message } of news) console.error(`${time_ms} ${code} ${message}`)
  }
}

function turn(trial: number): [string, string] {
  return [storing[trial % 3]!, storing[(trial + 1) % 3]!]
}

/** One block; again with a new connection until it is answered well. */
async function write(uri: string): Promise<void> {
  for (;;) {
    const socket = await NbdSocket.open(uri)
    const outcome = await socket?.write(0, Buffer.alloc(4096, 1))
    socket?.close()
    if (outcome !== undefined && outcome !== 'gone' && outcome.errno === 0) return
    await sleep(2)
  }
}
