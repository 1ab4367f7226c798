// One cell of the partition matrix: users work, something begins, the network breaks, is whole
// again, and all must be well: every user goes on, the cluster heals, one history explains all.
import { retried } from './api.ts'
import { History, type Verdict } from './history.ts'
import type { NetCluster, NetPeer } from './net-cluster.ts'
import type { Partition } from './partitions.ts'
import { RoamingUser } from './roaming-user.ts'
import { sleep } from './sleep.ts'

const limitMs = 180_000
const blocksBetween = 1_000

export interface Moment {
  name: string
  /** Begins something that the cut falls into. */
  begin: (head: string, others: string[]) => Promise<unknown>
  /** After the network is whole again. */
  end?: (others: string[]) => Promise<unknown>
}

export class PartitionBench {
  readonly net: NetCluster
  readonly history = new History()
  readonly users: RoamingUser[] = []
  readonly #peers: () => readonly NetPeer[]

  /** `peers`: where users may go. */
  constructor(net: NetCluster, peers: () => readonly NetPeer[] = () => net.peers) {
    this.net = net
    this.#peers = peers
  }

  /** A volume, with a user of its own. */
  async addUser(volume: string, patienceMs?: number): Promise<void> {
    const { net, history } = this
    const body = { name: volume, size: 2 ** 24, policy: 'default', block_size: 4096 } as const
    await retried(limitMs, () => net.peers[0]!.api.call('volume.create', { body }))
    const base = this.users.length * blocksBetween
    const peers = () => this.#peers().map(peer => peer.api)
    this.users.push(new RoamingUser({ history, volume, base, peers, patienceMs }))
  }

  async untilAnswered(more: number): Promise<void> {
    for (const user of this.users) await user.untilAnswered(more, limitMs)
  }

  async cell(partition: Partition, moment: Moment, brokenMs: number): Promise<Verdict> {
    const { net, users } = this
    const [head, ...others] = net.names as [string, ...string[]]
    const begun = Date.now()
    for (const user of users) user.start(0)
    await this.untilAnswered(100)
    await moment.begin(head, others)
    partition.cut(net, head, others)
    await sleep(brokenMs)
    net.heal()
    await this.untilAnswered(100)
    await moment.end?.(others)
    await net.waitHealthy(limitMs)
    await Promise.all(users.map(user => user.stop()))
    const verdict = await this.history.expectLinearizable()
    const seconds = Math.round((Date.now() - begun) / 1000)
    const silence = users.map(user => user.longestMs).join(' and ')
    const { operations, unknown } = verdict
    console.log(
      `      ${partition.name}, ${moment.name}: ${seconds} s, longest silence ${silence} ms, ` +
        `${operations} operations, ${unknown} unknown`,
    )
    return verdict
  }
}
