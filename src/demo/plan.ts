// What a demo consists of: plain data, from what was asked for and what is there already.
import { join } from 'node:path'
import { checkDiskSize } from '../common/disk-size.ts'
import { ShoalError } from '../common/errors.ts'
import { peerPaths, socketPathBytesMax } from '../common/paths.ts'

export const peersMax = 32
export const disksMax = 16
export const volumeName = 'demo'
export const volumeSize = 2 ** 30
export const policyName = 'default'
const copiesMax = 3

export interface DemoPeer {
  name: string
  /** Known once it is a member. */
  id: number | null
  dir: string
  data_port: number
  gossip_port: number
}

export interface Demo {
  format: 1
  dir: string
  disks: number
  disk_size: number
  has_volume: boolean
  peers: DemoPeer[]
}

export interface DemoRequest {
  dir: string
  peers: number
  disks: number
  disk_size: number
  has_volume: boolean
  /** Files of disks are written whole, as `disk add` does. */
  fills_disks?: boolean
  /** How long a peer may take until it answers. */
  ready_ms?: number
}

/** A demo only grows: what is there stays as it is. */
export function planDemo(
  request: DemoRequest,
  present: Demo | undefined,
  freePort: () => number,
): Demo {
  checkRequest(request)
  const peers = [...(present?.peers ?? [])]
  while (peers.length < request.peers) {
    const name = `p${peers.length + 1}`
    const dir = join(request.dir, name)
    peers.push({ name, id: null, dir, data_port: freePort(), gossip_port: freePort() })
  }
  return {
    format: 1,
    dir: request.dir,
    disks: Math.max(request.disks, present?.disks ?? 0),
    disk_size: present?.disk_size ?? request.disk_size,
    has_volume: request.has_volume || (present?.has_volume ?? false),
    peers,
  }
}

export function checkRequest(request: DemoRequest): void {
  const { peers, disks, disk_size } = request
  if (!(peers >= 1 && peers <= peersMax))
    throw new ShoalError('usage', `a demo has 1 to ${peersMax} peers, not ${peers}`)
  if (!(disks >= 1 && disks <= disksMax))
    throw new ShoalError('usage', `a peer of a demo has 1 to ${disksMax} disks, not ${disks}`)
  checkDiskSize(disk_size)
  const longest = join(request.dir, `p${peers}`, 'run/shoal.sock')
  if (Buffer.byteLength(longest) > socketPathBytesMax) {
    throw new ShoalError('usage', `the directory ${request.dir} is too deep for unix sockets`, {
      next: 'choose a shorter one: --dir /tmp/demo',
    })
  }
}

/** Copies as far as the peers allow; with one peer its disks have to do. */
export function demoPolicy(demo: Demo): {
  copies: number
  min_in_sync: number
  failure_domain: 'peer' | 'disk'
} {
  const places = demo.peers.length > 1 ? demo.peers.length : demo.disks
  const copies = Math.min(copiesMax, places)
  return {
    copies,
    min_in_sync: Math.max(1, copies - 1),
    failure_domain: demo.peers.length > 1 ? 'peer' : 'disk',
  }
}

export function diskPath(peer: DemoPeer, index: number): string {
  return join(peerPaths(peer.dir).diskDir, `disk${index + 1}`)
}

export function serverOf(peer: DemoPeer): string {
  return `unix:${peerPaths(peer.dir).apiSocket}`
}

/** Small enough that three of them leave room on a small machine. */
const memory = '128MiB'

export function peerSettings(peer: DemoPeer): string {
  return [
    '# A peer of a demo; see shoal.toml(5).',
    '[peer]',
    `name = "${peer.name}"`,
    '[net]',
    `listen = "127.0.0.1:${peer.data_port}"`,
    '[gossip]',
    `listen = "127.0.0.1:${peer.gossip_port}"`,
    '[data]',
    'io_threads = 1',
    `memory = "${memory}"`,
    '',
  ].join('\n')
}

/** Five commands that make a newcomer see something; `shoal` is what to type for the program. */
export function nextCommands(demo: Demo, uri: string | null, shoal: string): string[] {
  const first = demo.peers[0]!
  const last = demo.peers.at(-1)!
  return [
    `export SHOAL_SERVER=${serverOf(first)}`,
    `${shoal} status`,
    `${shoal} volume create db0 --size 512MiB`,
    uri ? `nbdinfo '${uri}'` : `${shoal} volume list`,
    `${shoal} demo kill ${last.name} --dir ${demo.dir} && ${shoal} status`,
  ]
}
