// A paused peer that wakes up, again and again, each time with requests of its old clients in every
// stage: whatever they are told must fit one history with what the next head's clients are told.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ApiClient } from '../../src/api/client.ts'
import { seededRandom } from '../../src/common/random.ts'
import { apiOf, exportAt, retried, untilServed } from '../helpers/api.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { type BlockClient, History } from '../helpers/history.ts'
import { NbdSocket } from '../helpers/nbd-socket.ts'
import { pause, wake } from '../helpers/pause.ts'
import { sleep } from '../helpers/sleep.ts'

const rounds = Number(process.env.SHOAL_ROUNDS ?? 60)
const volumes = ['t0', 't1', 't2', 't3', 't4', 't5']
const blocks = 4
const clientsPerVolume = 3
const limitMs = 60_000
const random = seededRandom(7)

const takeover = suite('take-over loop')
const demo = new DemoCluster()
const history = new History()
before(takeover, async () => {
  await demo.up('--no-volume')
  // Few groups come back soon, so that there are many rounds.
  await demo.json('p1', 'policy', 'delete', 'default')
  await demo.json('p1', 'policy', 'create', 'few', '--groups', '8')
  for (const name of volumes)
    await demo.json('p1', 'volume', 'create', name, '--size', '16MiB', '--policy', 'few')
})
takeover.after(() => demo.down())

takeover('old clients of a paused peer fit into one history with the new ones', async () => {
  const counts = { late: 0, acknowledged: 0 }
  for (let round = 0; round < rounds; round++) {
    const [from, to] = [`p${1 + (round % 3)}`, `p${1 + ((round + 1) % 3)}`]
    await oneRound(round, from, to, counts)
    await demo.waitHealthy(120_000)
    if (round % 10 === 9 || round === rounds - 1) {
      const verdict = await history.expectLinearizable()
      console.log(`      round ${round + 1}:`, JSON.stringify({ ...counts, ...verdict }))
    }
  }
  assert.is(counts.acknowledged, 0, 'what comes after the take-over is never acknowledged')
})

/** Clients of one volume; what they are told of a block is told as volume and block. */
class Load {
  readonly clients: BlockClient[] = []
  readonly #volume: number
  #isOver = false
  #running: Promise<void>[] = []

  constructor(volume: number) {
    this.#volume = volume
  }

  async open(uri: string): Promise<void> {
    for (let at = 0; at < clientsPerVolume; at++) {
      const socket = await NbdSocket.open(uri)
      assert.ok(socket, `nobody answers at ${uri}`)
      this.clients.push(history.client(socket, this.#volume * blocks))
    }
  }

  start(): void {
    this.#running = this.clients.map(client => this.#run(client))
  }

  async #run(client: BlockClient): Promise<void> {
    while (!this.#isOver && !client.socket.isGone) {
      const block = Math.floor(random.fraction() * blocks)
      await (random.fraction() < 0.5 ? client.write(block) : client.read(block))
      await sleep(random.fraction() * 4)
    }
  }

  /** Nothing new is asked for. */
  end(): void {
    this.#isOver = true
  }

  async close(): Promise<void> {
    this.end()
    for (const { socket } of this.clients) socket.close()
    await Promise.all(this.#running)
  }
}

type Counts = { late: number; acknowledged: number }

async function oneRound(round: number, from: string, to: string, counts: Counts): Promise<void> {
  const [old, next] = [api(from), api(to)]
  const before = await serveAll(old, round > 0)
  await sleep(200)
  const { pid, data_pid } = demo.peer(from)
  const pids = [data_pid!, pid!]
  await pause(pids)
  try {
    for (const load of before) load.end()
    // Sent while nothing runs there. Until the next head serves, the old one still may.
    const late = before.flatMap(load => load.clients.map((client, at) => client.write(at % blocks)))
    const after = await serveAll(next, true)
    const isTaken = round % 2 === 0
    if (isTaken) await Promise.all(volumes.map(name => untilServed(next, name, limitMs)))
    await sleep(50 * (round % 5))
    if (round % 4 === 2) await detachAll(next, after)
    wake(pids)
    const told = await lateWrites(late, before)
    if (isTaken) {
      counts.late += told.length
      counts.acknowledged += told.filter(Boolean).length
    }
    await sleep(300)
    await Promise.all([...before, ...after].map(load => load.close()))
  } finally {
    wake(pids)
  }
}

/** Those that waited in the socket, and others sent to the peer that just woke up. */
async function lateWrites(late: Promise<boolean>[], before: Load[]): Promise<boolean[]> {
  const later = before.flatMap(load => load.clients.map((client, at) => client.write(at % blocks)))
  return Promise.all([...late, ...later])
}

async function serveAll(at: ApiClient, takeover: boolean): Promise<Load[]> {
  const loads = volumes.map((_, index) => new Load(index))
  await Promise.all(
    loads.map(async (load, index) => {
      const { uri } = await exportAt(at, volumes[index]!, { takeover, limitMs })
      await load.open(uri)
      load.start()
    }),
  )
  return loads
}

async function detachAll(at: ApiClient, loads: Load[]): Promise<void> {
  await Promise.all(loads.map(load => load.close()))
  const exports = await retried(limitMs, () => at.call('export.list'))
  const mine = exports.filter(one => volumes.includes(one.volume))
  await Promise.all(
    mine.map(({ id }) =>
      retried(limitMs, () => at.call('export.delete', { params: { id }, query: { force: true } })),
    ),
  )
}

function api(name: string): ApiClient {
  return apiOf(demo.peer(name).server)
}

takeover.run()
