// What a peer exports follows its volumes: when they get other names, and when they come back to a
// peer that they were taken from.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { poll, systemClock } from '../../src/common/clock.ts'
import { peerPaths } from '../../src/common/paths.ts'
import { DataClient } from '../../src/data/client.ts'
import type { Command } from '../../src/data/command.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

interface Exported {
  id: number
  uri: string
}

const limitMs = 10_000
const pollMs = 50

const exports = suite('exports')
const demo = new DemoCluster()
before(exports, async () => {
  await demo.up('--no-volume')
})
exports.after(() => demo.down())

exports('a renamed volume has its new name only, and takes no other one away', async () => {
  const old = await exportNew('a')
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x11 0 1M', old.uri)
  await demo.json('p1', 'volume', 'rename', 'a', 'b')
  await expectNames(old.uri, ['b'])
  const next = await exportNew('a')
  await expectNames(old.uri, ['a', 'b'])
  await demo.json('p1', 'export', 'delete', String(old.id))
  await expectNames(old.uri, ['a'])
  await expectByte(next.uri, 0)
})

exports('a volume that comes back to the peer it was taken from is served there', async () => {
  const { uri } = await exportNew('back')
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x22 0 1M', uri)
  await attachForDevice('back')
  const there = await create('p2', 'back', '--takeover')
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x33 0 1M', there.uri)
  await demo.json('p2', 'export', 'delete', String(there.id))
  const again = await create('p1', 'back')
  await expectByte(again.uri, 0x33)
})

/** At p1. */
async function exportNew(volume: string): Promise<Exported> {
  await demo.json('p1', 'volume', 'create', volume, '--size', '16MiB')
  return create('p1', volume)
}

function create(peer: string, volume: string, ...more: string[]): Promise<Exported> {
  return demo.json(peer, 'export', 'create', volume, '--nbd', ...more)
}

async function expectByte(uri: string, byte: number): Promise<void> {
  const read = await tool('qemu-io', '-f', 'raw', '-c', `read -P ${byte} 0 1M`, uri)
  assert.not.match(read, /verification failed/)
}

/** Of all exports at the socket of this one. */
async function expectNames(uri: string, names: string[]): Promise<void> {
  const socket = new URL(uri).searchParams.get('socket')!
  const list = async () => {
    const told = await tool('nbdinfo', '--list', '--json', `nbd+unix:///?socket=${socket}`)
    const entries = JSON.parse(told).exports as { 'export-name': string }[]
    return entries.map(entry => entry['export-name']).sort()
  }
  let found: string[] = []
  await poll(limitMs, pollMs, async () => {
    found = await list()
    return found.join() === names.join() || undefined
  })
  assert.equal(found, names)
}

/** At p1, as a device that this machine's kernel cannot make: the cluster remembers it when it is
 *  taken over. */
async function attachForDevice(name: string): Promise<void> {
  const { dir, id } = demo.peer('p1')
  const volumes = await demo.json<{ id: number; name: string }[]>('p1', 'volume', 'list')
  const volume = volumes.find(one => one.name === name)!.id
  const attach = { type: 'attach', volume, peer: id, via: 'ublk', read_only: false, queues: 0 }
  const socketPath = peerPaths(dir).dataSocket
  const init = { socketPath, clock: systemClock, onEvent: () => {}, onClose: () => {} }
  const { client } = await DataClient.connect(init)
  const command = { ...attach, takeover: null } as unknown as Command
  const { outcome } = await client.request('propose', { command, proposal_id: '7'.repeat(32) })
  client.close()
  assert.ok('applied' in outcome, JSON.stringify(outcome))
}

exports.run()
