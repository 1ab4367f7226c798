// Every peer is replaced in turn, under load, until none of the first three is left: one that is
// drained, one that is taken out with its data on it, one that is dead. What was written before is
// there at the end, the voters moved along, and who was removed is let in nowhere.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShoalError } from '../../src/common/errors.ts'
import { retried } from '../helpers/api.ts'
import { before } from '../helpers/before.ts'
import { tool } from '../helpers/demo-cluster.ts'
import { NetCluster, type NetPeer } from '../helpers/net-cluster.ts'
import { PartitionBench } from '../helpers/partition-cell.ts'
import { sleep } from '../helpers/sleep.ts'

const limitMs = 180_000
const keptBytes = 64 * 2 ** 20

const replace = suite('replace')
const net = new NetCluster({ peers: 3 })
const removed = new Set<string>()
const left = () => net.peers.filter(({ name }) => !removed.has(name))
const bench = new PartitionBench(net, left)

before(replace, async () => {
  await net.up()
  await bench.addUser('v0', 4_000)
  const body = { name: 'kept', size: keptBytes, policy: 'default', block_size: 4096 } as const
  await retried(limitMs, () => net.peers[0]!.api.call('volume.create', { body }))
  await kept('p1', `write -P 0x5a 0 ${keptBytes}`)
  await net.waitHealthy(limitMs)
  bench.users[0]!.start(0)
  await bench.untilAnswered(100)
})
replace.after(() => net.down())

replace('the first one drains and is removed; while its volume is in use it stays', async () => {
  const next = await grow('p4')
  await refused('p1', 'busy')
  await leave('p1')
  const change = { type: 'peer_state', peer: 'p1', state: 'draining' } as const
  await retried(limitMs, () => next.api.call('placement.change', { body: { change } }))
  await until('p1 is empty', async () => {
    const shown = await next.api.call('peer.show', { params: { name: 'p1' } })
    return shown.groups === 0
  })
  await remove('p1', false)
  await settled(['p2', 'p3', 'p4'])
})

replace('the second one is removed with its data on it', async () => {
  await grow('p5')
  await leave('p2')
  await refused('p2', 'busy')
  await remove('p2', true)
  await settled(['p3', 'p4', 'p5'])
})

replace('the third one is dead when it is removed', async () => {
  await grow('p6')
  await leave('p3')
  await net.kill('p3')
  await remove('p3', true)
  await settled(['p4', 'p5', 'p6'])
})

replace('what was written to the first three is there, and they are let in nowhere', async () => {
  await net.start('p3')
  for (const name of removed) {
    const { api } = net.peer(name)
    const body = { volume: 'kept', kind: 'nbd', takeover: true } as const
    const asked = await outcome(() => api.call('export.create', { body }))
    assert.ok(asked instanceof ShoalError, `${name} serves a volume`)
  }
  await kept('p6', `read -P 0x5a 0 ${keptBytes}`)
  await settled(['p4', 'p5', 'p6'])
  await Promise.all(bench.users.map(user => user.stop()))
  const { operations, unknown } = await bench.history.expectLinearizable()
  console.log(`      ${operations} operations, ${unknown} unknown`)
})

async function grow(name: string): Promise<NetPeer> {
  const through = left()[0]!
  const peer = await net.addPeer(name)
  await net.join(peer, through)
  await net.addDisk(peer)
  return peer
}

/** The user goes to the next peer, which is removed next: an orderly move. */
async function leave(name: string): Promise<void> {
  const [user] = bench.users
  const { api } = net.peer(name)
  await user!.stop()
  const held = (await api.call('export.list')).filter(one => one.peer === name)
  assert.equal(
    held.map(one => one.volume),
    ['v0'],
  )
  const params = { id: held[0]!.id }
  await retried(limitMs, () => api.call('export.delete', { params, query: { force: true } }))
  user!.start(1)
  await bench.untilAnswered(50)
}

async function remove(name: string, force: boolean): Promise<void> {
  const { api } = left().at(-1)!
  const input = { params: { name }, query: { force } } as const
  await retried(limitMs, () => api.call('peer.remove', input))
  removed.add(name)
}

async function refused(name: string, code: string): Promise<void> {
  const { api } = left().at(-1)!
  const asked = await outcome(() => api.call('peer.remove', { params: { name }, query: {} }))
  assert.ok(asked instanceof ShoalError && asked.code === code, `it was not refused: ${asked}`)
}

/** These and nobody else, all of them vote, and everything is whole. */
async function settled(names: string[]): Promise<void> {
  const begun = Date.now()
  const { api } = net.peer(names.at(-1)!)
  await until(`${names} are what is left`, async () => {
    const [peers, cluster] = await Promise.all([api.call('peer.list'), api.call('cluster.show')])
    const isWhole = cluster.may_fail === 1 && cluster.disks === 3 && cluster.peers === 3
    return (
      isWhole && `${cluster.voters}` === `${names}` && `${peers.map(p => p.name)}` === `${names}`
    )
  })
  await net.waitHealthy(limitMs, names[0]!)
  await bench.untilAnswered(50)
  console.log(`      ${names}: ${Date.now() - begun} ms`)
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await retried(limitMs, isTrue))) {
    if (Date.now() > end) throw new Error(`not true after ${limitMs} ms: ${what}`)
    await sleep(200)
  }
}

async function kept(at: string, command: string): Promise<void> {
  const { api } = net.peer(at)
  const body = { volume: 'kept', kind: 'nbd' } as const
  const { id, uri } = await retried(limitMs, () => api.call('export.create', { body }))
  const said = await tool('qemu-io', '-f', 'raw', '-c', command, uri)
  assert.not.match(said, /verification failed|error/)
  const query = { force: true }
  await retried(limitMs, () => api.call('export.delete', { params: { id }, query }))
}

async function outcome(ask: () => Promise<unknown>): Promise<unknown> {
  return ask().catch(thrown => thrown)
}

replace.run()
