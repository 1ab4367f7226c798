// kill -9 at random moments of each command that changes the cluster: of the data process, the
// control process or both, of the peer that was asked or of the leader. The same command again works
// or says that it is done, and nothing half-made stays. SHOAL_ROUNDS and SHOAL_SEED choose.
import { rmSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShoalError } from '../../src/common/errors.ts'
import { peerPaths } from '../../src/common/paths.ts'
import { seededRandom } from '../../src/common/random.ts'
import { retried } from '../helpers/api.ts'
import { before } from '../helpers/before.ts'
import { CommandTrial, type Stage, until, type Victim, victims } from '../helpers/command-trial.ts'
import { tool } from '../helpers/demo-cluster.ts'
import { NetCluster, type NetPeer } from '../helpers/net-cluster.ts'

const rounds = Number(process.env.SHOAL_ROUNDS ?? 3)
const seed = Number(process.env.SHOAL_SEED ?? 1)
const limitMs = 120_000
const mebibyte = 2 ** 20
const slackBytes = 2 * mebibyte
/** Where commands are asked that need no disk of their own. */
const asked = 'p2'

const kills = suite('command kills')
const net = new NetCluster({ peers: 3 })
const trial = new CommandTrial(net, seededRandom(seed))
const api = (name = asked) => net.peer(name).api
let newest = 3
let usedBefore = 0

before(kills, async () => {
  await net.up()
  await net.waitHealthy(limitMs)
  usedBefore = await usedBytes()
})
kills.after(() => net.down())

for (let round = 1; round <= rounds; round++) {
  for (const victim of victims) {
    kills(`round ${round}, ${victim.name}: volumes`, () => volumes(victim))
    kills(`round ${round}, ${victim.name}: peers and disks`, () => peers(victim))
  }
  for (const victim of victims.filter(({ isLeader }) => !isLeader))
    kills(`round ${round}, ${victim.name}: cluster init`, () => founding(victim, round))
}

async function volumes(victim: Victim): Promise<void> {
  const body = { name: 'v', size: 64 * mebibyte, policy: 'default', block_size: 4096 } as const
  const find = async () => (await api().call('volume.list')).filter(one => one.name === 'v')
  await trial.run(victim, {
    ...{ name: 'volume create', at: asked, done: ['exists'] },
    ask: () => api().call('volume.create', { body }),
    check: async () => (await find()).length === 1,
  })
  await written('v', 16)
  const params = { name: 'v' }
  await trial.run(victim, {
    ...{ name: 'volume resize', at: asked, done: [] },
    ask: () => api().call('volume.resize', { params, body: { size: 128 * mebibyte } }),
    check: async () => (await find())[0]?.size === 128 * mebibyte,
  })
  await trial.run(victim, {
    ...{ name: 'volume delete', at: asked, done: ['not_found'] },
    ask: () => api().call('volume.delete', { params }),
    check: async () => (await find()).length === 0,
  })
  await net.waitHealthy(limitMs)
  await until('no space is lost', async () => (await usedBytes()) <= usedBefore + slackBytes)
}

async function peers(victim: Victim): Promise<void> {
  const peer = await net.addPeer(`p${++newest}`)
  const { name } = peer
  const { token } = await retried(limitMs, () =>
    api().call('cluster.token', { body: { ttl_ms: 600_000 } }),
  )
  await trial.run(victim, {
    ...{ name: 'cluster join', at: name, done: ['exists'] },
    ask: () => peer.api.call('cluster.join', { body: { token, witness: false } }),
    check: async () => {
      const found = (await api().call('peer.list')).filter(one => one.name === name)
      return found.length === 1 && found[0]!.state === 'up'
    },
  })
  await trial.run(victim, diskAdd(peer))
  await net.waitHealthy(limitMs)
  const [disk] = await disksOf(name)
  await trial.run(victim, {
    ...{ name: 'disk remove', at: name, done: ['not_found'] },
    ask: () => peer.api.call('disk.remove', { params: { id: disk!.id }, query: { force: true } }),
    check: async () => (await disksOf(name)).length === 0,
  })
  rmSync(diskPath(peer))
  const again = diskAdd(peer)
  await again.ask()
  await until('it has a disk again', again.check)
  await trial.run(victim, {
    ...{ name: 'peer remove', at: asked, done: ['not_found'] },
    ask: () => api().call('peer.remove', { params: { name }, query: { force: true } }),
    check: async () => {
      const found = await api().call('peer.list')
      return found.length === 3 && (await api().call('disk.list')).length === 3
    },
  })
  await net.dropPeer(name)
  await net.waitHealthy(limitMs)
}

function diskAdd(peer: NetPeer): Stage {
  const body = { path: diskPath(peer), size: 512 * mebibyte, class: null, wipe: false } as const
  return {
    ...{ name: 'disk add', at: peer.name, done: ['exists'] },
    ask: () => peer.api.call('disk.add', { body }),
    check: async () => {
      const found = await peer.api.call('disk.list')
      const own = found.filter(one => one.peer === peer.name)
      return own.length === 1 && own[0]!.state === 'in' && own[0]!.stats !== null
    },
  }
}

/** One that founds a cluster of its own; every other time it then wants to join the other one. */
async function founding(victim: Victim, round: number): Promise<void> {
  const peer = await net.addPeer(`p${++newest}`)
  const { name } = peer
  await trial.cut(victim, {
    ...{ name: 'cluster init', at: name, done: ['exists'], check: async () => true },
    ask: () => peer.api.call('cluster.init', { body: { name: 'own' } }),
  })
  const { token } = await retried(limitMs, () =>
    api().call('cluster.token', { body: { ttl_ms: 600_000 } }),
  )
  const join = () => peer.api.call('cluster.join', { body: { token, witness: false } })
  const init = () => peer.api.call('cluster.init', { body: { name: 'own' } })
  const said = await trial.again(round % 2 === 0 ? join : init, ['exists'])
  const shown = await retried(limitMs, () => peer.api.call('cluster.show'))
  assert.is(shown.name, round % 2 === 0 && said === 'ok' ? 'net' : 'own')
  if (shown.name === 'net') {
    const input = { params: { name }, query: { force: true } } as const
    await retried(limitMs, () => api().call('peer.remove', input))
    await until('it is forgotten', async () => (await api().call('peer.list')).length === 3)
  } else {
    assert.is(shown.peers, 1)
    await retried(limitMs, () => peer.api.call('cluster.token', { body: { ttl_ms: 60_000 } }))
  }
  await net.dropPeer(name)
}

async function disksOf(name: string) {
  const all = await retried(limitMs, () => api().call('disk.list'))
  return all.filter(disk => disk.peer === name)
}

function diskPath(peer: NetPeer): string {
  return `${peerPaths(peer.dir).diskDir}/disk1`
}

async function usedBytes(): Promise<number> {
  let sum = 0
  for (const name of ['p1', 'p2', 'p3']) {
    const disks = await retried(limitMs, () => api(name).call('disk.list'))
    sum += disks.find(disk => disk.peer === name)!.stats!.used_bytes!
  }
  return sum
}

async function written(volume: string, mebibytes: number): Promise<void> {
  const body = { volume, kind: 'nbd' } as const
  const { id, uri } = await retried(limitMs, () => api().call('export.create', { body }))
  const said = await tool('qemu-io', '-f', 'raw', '-c', `write -P 7 0 ${mebibytes}M`, uri)
  if (/error/.test(said)) throw new ShoalError('io', said)
  const input = { params: { id }, query: { force: true } }
  await retried(limitMs, () => api().call('export.delete', input))
}

kills.run()
