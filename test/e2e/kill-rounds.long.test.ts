// kill -9 of random victims under mixed load, round after round: nothing acknowledged is lost, the
// users go on, and the cluster is whole again by itself. SHOAL_ROUNDS and SHOAL_SEED choose.
import { suite } from 'uvu'
import { seededRandom } from '../../src/common/random.ts'
import { before } from '../helpers/before.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { PartitionBench } from '../helpers/partition-cell.ts'
import { sleep } from '../helpers/sleep.ts'

const rounds = Number(process.env.SHOAL_ROUNDS ?? 100)
const seed = Number(process.env.SHOAL_SEED ?? 1)
const limitMs = 180_000
const checkEvery = 10

const kills = suite('kill rounds')
const net = new NetCluster({ peers: 4 })
const bench = new PartitionBench(net)
const random = seededRandom(seed)
before(kills, async () => {
  await net.up()
  for (const volume of ['v0', 'v1', 'v2']) await bench.addUser(volume, 4_000)
  await net.waitHealthy(limitMs)
})
kills.after(() => net.down())

interface Kind {
  name: string
  victims: () => Promise<string[]>
  /** Which of the processes; both by default. */
  part?: 'data' | 'control'
}

const kinds: Kind[] = [
  { name: 'a peer', victims: async () => [anyOf(net.names)] },
  { name: "a head's peer", victims: async () => [await holder('v0')] },
  { name: 'the leader', victims: async () => [await net.leader()] },
  { name: 'two peers', victims: async () => shuffled(net.names).slice(0, 2) },
  { name: 'all peers', victims: async () => net.names },
  { name: 'a data process', victims: async () => [anyOf(net.names)], part: 'data' },
  { name: 'a control process', victims: async () => [anyOf(net.names)], part: 'control' },
]

kills('after each of many kills everything comes back by itself', async () => {
  for (const [at, user] of bench.users.entries()) user.start(at)
  await bench.untilAnswered(100)
  for (let round = 1; round <= rounds; round++) {
    const kind = anyOf(kinds)
    const victims = await kind.victims()
    const begun = Date.now()
    await Promise.all(victims.map(name => net.kill(name, kind.part)))
    await sleep(random.fraction() * 3_000)
    // A dead data process is started again by its control process.
    if (kind.part !== 'data') await Promise.all(victims.map(name => net.start(name)))
    await bench.untilAnswered(50)
    const usedMs = Date.now() - begun
    await net.waitHealthy(limitMs)
    const healthyMs = Date.now() - begun
    console.log(
      `      ${round} ${kind.name} (${victims}): used again ${usedMs} ms, healthy ${healthyMs} ms`,
    )
    if (round % checkEvery === 0 || round === rounds) await check()
  }
  await Promise.all(bench.users.map(user => user.stop()))
})

async function check(): Promise<void> {
  const { operations, unknown } = await bench.history.expectLinearizable()
  console.log(`      linearizable: ${operations} operations, ${unknown} unknown`)
}

async function holder(volume: string): Promise<string> {
  const exports = await net.peers[0]!.api.call('export.list')
  return exports.find(one => one.volume === volume)?.peer ?? net.names[0]!
}

function anyOf<T>(all: readonly T[]): T {
  return all[Math.floor(random.fraction() * all.length)]!
}

function shuffled<T>(all: readonly T[]): T[] {
  const keyed = all.map(one => ({ one, key: random.fraction() }))
  return keyed.sort((a, b) => a.key - b.key).map(({ one }) => one)
}

kills.run()
