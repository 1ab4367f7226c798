// `shoal demo up`: brings a demo to where it should be, step by step; what is done already is not
// done again.
import { poll } from '../common/clock.ts'
import { ShoalError } from '../common/errors.ts'
import { makeDir } from '../common/make-dir.ts'
import { type Random, systemRandom } from '../common/random.ts'
import { makeDemoDir, readDemo, requireEmpty, withDemoLock, writeDemo } from './demo-file.ts'
import { freePorts } from './free-port.ts'
import { apiOf, readyMsUsual, startPeer } from './peer-process.ts'
import {
  checkRequest,
  type Demo,
  type DemoPeer,
  type DemoRequest,
  demoPolicy,
  diskPath,
  planDemo,
  policyName,
  volumeName,
  volumeSize,
} from './plan.ts'
import { type DemoView, demoView, type VolumeView } from './view.ts'

export type Say = (text: string) => void

const settleMs = 15_000
const readyMsPerPeer = 1_000
const pollMs = 50

export async function demoUp(request: DemoRequest, say: Say): Promise<DemoView> {
  checkRequest(request)
  makeDemoDir(request.dir)
  return withDemoLock(request.dir, async () => {
    const demo = await prepare(request, systemRandom)
    say(`starting ${demo.peers.length} peers in ${demo.dir}`)
    // All at once: each waits for the cores that the others use.
    const readyMs = request.ready_ms ?? readyMsUsual + readyMsPerPeer * demo.peers.length
    await Promise.all(demo.peers.map(peer => startPeer(peer, readyMs)))
    await formCluster(demo, say)
    await Promise.all(demo.peers.map(peer => addDisks(demo, peer, request, say)))
    await createPolicy(demo, say)
    const volume = demo.has_volume ? await serveVolume(demo, say) : null
    return demoView(demo, volume)
  })
}

async function prepare(request: DemoRequest, random: Random): Promise<Demo> {
  const present = readDemo(request.dir)
  if (!present) requireEmpty(request.dir)
  const missing = Math.max(0, request.peers - (present?.peers.length ?? 0))
  const ports = await freePorts(2 * missing, random)
  const demo = planDemo(request, present, () => ports.pop()!)
  writeDemo(demo)
  return demo
}

async function formCluster(demo: Demo, say: Say): Promise<void> {
  const [first, ...others] = demo.peers as [DemoPeer, ...DemoPeer[]]
  if (!(await isMember(first))) {
    say(`${first.name}: founding the cluster`)
    const made = await apiOf(first).call('cluster.init', { body: { name: 'demo' } })
    remember(demo, first, made.peer_id)
  }
  for (const peer of others) {
    if (await isMember(peer)) continue
    say(`${peer.name}: joining`)
    const { token } = await apiOf(first).call('cluster.token', { body: { ttl_ms: 600_000 } })
    const joined = await apiOf(peer).call('cluster.join', { body: { token } })
    remember(demo, peer, joined.peer_id)
  }
}

/** Written at once: a demo that is cut short here goes on from here. */
function remember(demo: Demo, peer: DemoPeer, id: number): void {
  peer.id = id
  writeDemo(demo)
}

async function isMember(peer: DemoPeer): Promise<boolean> {
  try {
    await apiOf(peer).call('cluster.show')
    return true
  } catch (thrown) {
    if (thrown instanceof ShoalError && thrown.code === 'no_cluster') return false
    throw thrown
  }
}

async function addDisks(demo: Demo, peer: DemoPeer, request: DemoRequest, say: Say): Promise<void> {
  const api = apiOf(peer)
  const present = (await api.call('disk.list')).filter(disk => disk.peer === peer.name)
  for (let index = 0; index < demo.disks; index++) {
    const path = diskPath(peer, index)
    if (present.some(disk => disk.path === path)) continue
    say(`${peer.name}: preparing disk ${index + 1}`)
    makeDir(`${peer.dir}/disks`)
    const disk = { path, size: demo.disk_size, class: null, wipe: false }
    await api.call('disk.add', { body: { ...disk, reserve: !request.fills_disks } })
  }
}

async function createPolicy(demo: Demo, say: Say): Promise<void> {
  const api = apiOf(demo.peers[0]!)
  const policies = await api.call('policy.list')
  if (policies.some(policy => policy.name === policyName)) return
  await awaitDisks(demo)
  say(`creating policy ${policyName}`)
  await api.call('policy.create', {
    body: { name: policyName, ...demoPolicy(demo), class: null, pg_count: null, dry_run: false },
  })
}

/** Disks that other peers added reach the first one a moment later. */
async function awaitDisks(demo: Demo): Promise<void> {
  const api = apiOf(demo.peers[0]!)
  const wanted = demo.peers.length * demo.disks
  const found = await poll(settleMs, pollMs, async () =>
    (await api.call('disk.list')).length >= wanted ? true : undefined,
  )
  if (found) return
  throw new ShoalError('timeout', `${demo.peers[0]!.name} does not see all ${wanted} disks`, {
    next: 'look at: shoal demo status',
  })
}

async function serveVolume(demo: Demo, say: Say): Promise<VolumeView> {
  const api = apiOf(demo.peers[0]!)
  const volumes = await api.call('volume.list')
  if (!volumes.some(volume => volume.name === volumeName)) {
    say(`creating volume ${volumeName}`)
    await api.call('volume.create', {
      body: { name: volumeName, size: volumeSize, policy: policyName, block_size: 512 },
    })
  }
  const device = await attachIfPossible(demo, say)
  const made = await api.call('export.create', { body: { volume: volumeName, kind: 'nbd' } })
  const shown = await api.call('volume.show', { params: { name: volumeName } })
  return { name: volumeName, size: shown.size, uri: made.uri, device }
}

/** A device needs root and a kernel with ublk or nbd; without it there is NBD on the socket. */
async function attachIfPossible(demo: Demo, say: Say): Promise<string | null> {
  if (process.getuid?.() !== 0) return null
  try {
    const attached = await apiOf(demo.peers[0]!).call('device.attach', {
      body: { volume: volumeName, via: 'auto', read_only: false, queues: 0 },
    })
    return attached.device
  } catch (thrown) {
    const isExpected =
      thrown instanceof ShoalError &&
      ['unsupported', 'denied', 'refused', 'conflict', 'io', 'timeout'].includes(thrown.code)
    if (!isExpected) throw thrown
    say(`no device on this machine: ${thrown.message}`)
    return null
  }
}
