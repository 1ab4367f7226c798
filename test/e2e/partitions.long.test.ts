// The partition matrix: every shape of a broken network at every kind of moment, under users whose
// history another author's checker judges. Peers in network namespaces; needs root.
import { suite } from 'uvu'
import type { ApiClient } from '../../src/api/client.ts'
import { retried } from '../helpers/api.ts'
import { History } from '../helpers/history.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { type Partition, partitions } from '../helpers/partitions.ts'
import { RoamingUser } from '../helpers/roaming-user.ts'
import { sleep } from '../helpers/sleep.ts'

const limitMs = 180_000
const brokenMs = 8_000
const volumes = ['v0', 'v1']
const only = process.env.SHOAL_ONLY

const matrix = suite('partitions')
const net = new NetCluster({ peers: 4 })
const history = new History()
const users = volumes.map(
  (volume, at) =>
    new RoamingUser({ history, volume, base: at * 1000, peers: () => net.peers.map(p => p.api) }),
)
matrix.before(async () => {
  await net.up()
  for (const name of volumes) {
    const body = { name, size: 2 ** 24, policy: 'default', block_size: 4096 } as const
    await retried(limitMs, () => net.peers[0]!.api.call('volume.create', { body }))
  }
  await net.waitHealthy(limitMs)
})
matrix.after(() => net.down())

interface Moment {
  name: string
  /** Begins something that the cut falls into. */
  begin: (head: string, others: string[]) => Promise<unknown>
  /** After the network is whole again. */
  end?: (others: string[]) => Promise<unknown>
}

const moments: Moment[] = [
  { name: 'steady', begin: async () => undefined },
  {
    name: 'resync',
    begin: async (_, others) => {
      const away = others.at(-1)!
      await net.kill(away)
      for (const user of users) await user.untilAnswered(200, limitMs)
      await net.start(away)
    },
  },
  {
    name: 'join',
    begin: async (_, others) => drain(others.at(-1)!, true),
    end: async others => drain(others.at(-1)!, false),
  },
  {
    name: 'take-over',
    begin: async (_, others) => {
      const { api } = net.peer(others[0]!)
      // Not awaited: the cut falls into it. It may fail by that.
      const body = { volume: 'v0', kind: 'nbd', takeover: true } as const
      void api.call('export.create', { body }).catch(() => undefined)
    },
  },
]

async function drain(name: string, isDrained: boolean): Promise<void> {
  const api: ApiClient = net.peer(name).api
  const state = isDrained ? 'draining' : 'in'
  const change = { type: 'peer_state', peer: name, state } as const
  await retried(limitMs, () => api.call('placement.change', { body: { change } }))
}

for (const moment of moments) {
  for (const partition of partitions) {
    const name = `${partition.name}, ${moment.name}`
    if (only && !name.includes(only)) continue
    matrix(name, () => cell(partition, moment))
  }
}

async function cell(partition: Partition, moment: Moment): Promise<void> {
  const names = net.names
  const [head, ...others] = names as [string, ...string[]]
  const begun = Date.now()
  for (const user of users) {
    user.longestMs = 0
    user.start(0)
  }
  for (const user of users) await user.untilAnswered(100, limitMs)
  await moment.begin(head, others)
  partition.cut(net, head, others)
  await sleep(brokenMs)
  net.heal()
  for (const user of users) await user.untilAnswered(100, limitMs)
  await moment.end?.(others)
  await net.waitHealthy(limitMs)
  await Promise.all(users.map(user => user.stop()))
  const { operations, unknown } = await history.expectLinearizable()
  const stalls = users.map(user => user.longestMs).join(' and ')
  const seconds = Math.round((Date.now() - begun) / 1000)
  console.log(
    `      ${partition.name}, ${moment.name}: ${seconds} s, longest silence ${stalls} ms, ` +
      `${operations} operations, ${unknown} unknown`,
  )
}

matrix.run()
