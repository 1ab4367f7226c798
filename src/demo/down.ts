// `shoal demo down|start|stop|kill`: ends processes that the demo started, and no other.
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ShoalError } from '../common/errors.ts'
import { demoFiles, requireDemo, withDemoLock } from './demo-file.ts'
import { apiOf, killPeer, startPeer, stopPeer } from './peer-process.ts'
import type { Demo, DemoPeer } from './plan.ts'
import { type DemoView, demoView, findVolume } from './view.ts'

export async function demoDown(dir: string, isKept: boolean): Promise<void> {
  const demo = requireDemo(dir)
  await withDemoLock(dir, async () => {
    await Promise.all(demo.peers.map(detachAll))
    await Promise.all(demo.peers.map(stopPeer))
  })
  if (!isKept) await removeDemo(dir, demo)
}

/** What the demo made, and the directory if nothing else is in it. */
async function removeDemo(dir: string, demo: Demo): Promise<void> {
  for (const { name } of demo.peers) await rm(join(dir, name), { recursive: true, force: true })
  for (const name of demoFiles) await rm(join(dir, name), { force: true })
  await rmdir(dir).catch(() => undefined)
}

/** Devices outlive their processes: without this they would wait for a daemon that never comes. */
async function detachAll(peer: DemoPeer): Promise<void> {
  const api = apiOf(peer)
  const devices = await api.call('device.list').catch(() => [])
  for (const device of devices) {
    if (device.kind === 'export') continue
    const params = { volume: device.volume }
    await api.call('device.detach', { params, query: { force: true } }).catch(() => null)
  }
}

export async function demoStatus(dir: string): Promise<DemoView> {
  const demo = requireDemo(dir)
  return demoView(demo, await findVolume(demo))
}

export type PeerAction = 'start' | 'stop' | 'kill'

const actions: Record<PeerAction, (peer: DemoPeer) => Promise<unknown>> = {
  start: peer => startPeer(peer),
  stop: stopPeer,
  kill: killPeer,
}

export async function demoPeer(dir: string, name: string, action: PeerAction): Promise<DemoView> {
  const demo = requireDemo(dir)
  const peer = findPeer(demo, name)
  await withDemoLock(dir, () => actions[action](peer))
  return demoView(demo, null)
}

function findPeer(demo: Demo, name: string): DemoPeer {
  const peer = demo.peers.find(one => one.name === name)
  if (peer) return peer
  throw new ShoalError('not_found', `the demo has no peer named ${name}`, {
    next: `choose from ${demo.peers.map(one => one.name).join(', ')}`,
  })
}
