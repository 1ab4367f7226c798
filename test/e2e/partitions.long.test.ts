// The partition matrix: every shape of a broken network at every kind of moment, under users whose
// history another author's checker judges. Peers in network namespaces; needs root.
import { suite } from 'uvu'
import { retried } from '../helpers/api.ts'
import { before } from '../helpers/before.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { type Moment, PartitionBench } from '../helpers/partition-cell.ts'
import { partitions } from '../helpers/partitions.ts'

const limitMs = 180_000
const brokenMs = 8_000
const writesWhileAway = 200
/** A part of the matrix alone: `SHOAL_ONLY=resync`. */
const only = process.env.SHOAL_ONLY ?? ''

const matrix = suite('partition matrix')
const net = new NetCluster({ peers: 4 })
const bench = new PartitionBench(net)
before(matrix, async () => {
  await net.up()
  await bench.addUser('v0')
  await bench.addUser('v1')
  await net.waitHealthy(limitMs)
})
matrix.after(() => net.down())

const moments: Moment[] = [
  { name: 'steady', begin: async () => undefined },
  {
    name: 'resync',
    begin: async (_, others) => {
      const away = others.at(-1)!
      await net.kill(away)
      await bench.untilAnswered(writesWhileAway)
      await net.start(away)
    },
  },
  {
    name: 'join',
    begin: (_, others) => drain(others.at(-1)!, 'draining'),
    end: others => drain(others.at(-1)!, 'in'),
  },
  {
    name: 'take-over',
    begin: async (_, others) => {
      const { api } = net.peer(others[0]!)
      const body = { volume: 'v0', kind: 'nbd', takeover: true } as const
      // Not awaited: the cut falls into it. It may fail by that.
      void api.call('export.create', { body }).catch(() => undefined)
    },
  },
]

async function drain(name: string, state: 'draining' | 'in'): Promise<void> {
  const { api } = net.peer(name)
  const change = { type: 'peer_state', peer: name, state } as const
  await retried(limitMs, () => api.call('placement.change', { body: { change } }))
}

for (const moment of moments) {
  for (const partition of partitions) {
    const name = `${partition.name}, ${moment.name}`
    if (name.includes(only))
      matrix(name, async () => void (await bench.cell(partition, moment, brokenMs)))
  }
}

matrix.run()
