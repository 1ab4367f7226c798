// Builds what the API calls, over the link to the data process.
import type { Services } from '../api/services.ts'
import { type Hold, holds } from '../cluster/flapping.ts'
import { Membership, noCluster, type Self } from '../cluster/membership.ts'
import { Movement } from '../cluster/movement.ts'
import { Peers } from '../cluster/peers.ts'
import { PlacementService } from '../cluster/placement-service.ts'
import { Policies } from '../cluster/policies.ts'
import { type RunningScrub, runningScrubOf, scrubTasks } from '../cluster/scrub-tasks.ts'
import { type Fullness, fullnessOf } from '../cluster/space.ts'
import { clusterStatus, joinTasks, taskView } from '../cluster/status.ts'
import type { TaskView } from '../cluster/task-view.ts'
import type { Clock } from '../common/clock.ts'
import type { Config } from '../common/config.ts'
import type { PeerPaths } from '../common/paths.ts'
import { programVersion } from '../common/version.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { type LocalDisk, protocolMax } from '../data/protocol.ts'
import type { ClusterState } from '../data/state.ts'
import { Disks } from '../disk/disks.ts'
import { whatRemovalLoses } from '../disk/removal.ts'
import { examine } from '../doctor/doctor.ts'
import { Devices } from '../ublk/devices.ts'
import { loadDriver } from '../ublk/drivers.ts'
import { DeviceLinks } from '../ublk/links.ts'
import { Exports } from '../volume/exports.ts'
import { Scrubs } from '../volume/scrubs.ts'
import { Volumes } from '../volume/volumes.ts'
import { controlMetrics } from './metrics.ts'
import type { PeerState } from './peer-state.ts'
import { topologyMap } from './topology-map.ts'

export interface ServicesInit {
  cluster: ClusterPort
  config: Config
  paths: PeerPaths
  self: Self
  peer: PeerState
  clock: Clock
}

export function buildServices(init: ServicesInit): Services {
  const { cluster, config, paths, self, peer, clock } = init
  const selfId = () => peer.peerId
  const devices = new Devices({
    cluster,
    links: new DeviceLinks(config['device.link_dir']),
    selfId,
    loadDriver,
  })
  const version = programVersion()
  const usedBytes = () => readUsedBytes(cluster, peer)
  const movement = new Movement(cluster, usedBytes, clock)
  const held = (state: ClusterState) =>
    holds(state, clock.nowMs(), config['reconcile.hold_back_max'])
  const status = () => readStatus(cluster, peer, movement, held)
  const versions = () => ({ control: version, data: peer.dataVersion, protocol: protocolMax })
  return {
    membership: new Membership(
      cluster,
      self,
      id => peer.presences.get(id),
      id => peer.joined(id),
    ),
    peers: new Peers(
      cluster,
      whatRemovalLoses,
      id => peer.presences.get(id),
      () => clock.nowMs(),
    ),
    disks: new Disks(cluster, {
      used: () => peer.digestedUse(),
      writes: () => peer.digestedWrites(),
    }),
    policies: new Policies(cluster),
    volumes: new Volumes(cluster, async () => {
      const states = storeStatesOf(peer, await cluster.data.request('disk.list', {}))
      return {
        isPeerAway: id => peer.presences.get(id) === 'down',
        storeState: id => states.get(id),
      }
    }),
    scrubs: new Scrubs(cluster, async () => {
      return runningScrubs(peer, await cluster.data.request('disk.list', {}))
    }),
    devices,
    exports: new Exports(cluster, { socketPath: paths.nbdSocket, selfId }),
    status,
    doctor: () => examine({ cluster, dir: paths.dir, selfId, versions, status }),
    placement: new PlacementService(cluster, usedBytes, self.peerName),
    movement,
    tasks: () => allTasks(cluster, peer, movement),
    map: async () => topologyMap(await cluster.state()),
    events: async ({ after, limit }) =>
      (await cluster.state()).events.filter(event => event.id > after).slice(-limit),
    slow: limit => cluster.data.request('slow.list', { limit }),
    metrics: () => controlMetrics(cluster, peer, version, status),
    versions,
    requireCluster: () => {
      if (peer.isConnected && peer.peerId === null) throw noCluster()
    },
    isReady: () => peer.isConnected,
    onChange: call => peer.onChange(call),
  }
}

async function readStatus(
  cluster: ClusterPort,
  peer: PeerState,
  movement: Movement,
  held: (state: ClusterState) => Hold[],
) {
  const [state, data, local, moving] = await Promise.all([
    cluster.state(),
    cluster.data.request('status.get', {}),
    cluster.data.request('disk.list', {}),
    movement.tasks(),
  ])
  return clusterStatus({
    state,
    data,
    usedBytes: usedBytesOf(peer, local),
    writeUs: writeUsOf(peer, local),
    fullness: new Map([
      ...peer.digestedFullness(),
      ...local.map((disk): [number, Fullness] => [disk.disk_id, fullnessOf(disk)]),
    ]),
    storeStates: storeStatesOf(peer, local),
    self: peer.peerId,
    presenceOf: id => peer.presences.get(id),
    tasks: peer.tasks.list(),
    scrubs: runningScrubs(peer, local),
    movement: moving,
    held: held(state),
  })
}

/** Of every disk whose peer told; of the own ones by asking. */
export async function readUsedBytes(
  cluster: ClusterPort,
  peer: PeerState,
): Promise<Map<number, number>> {
  return usedBytesOf(peer, await cluster.data.request('disk.list', {}))
}

function usedBytesOf(peer: PeerState, local: readonly LocalDisk[]): Map<number, number> {
  const used = new Map(peer.digestedUse())
  for (const disk of local) used.set(disk.disk_id, disk.stats.used_bytes ?? 0)
  return used
}

function storeStatesOf(peer: PeerState, local: readonly LocalDisk[]): Map<number, string> {
  const states = new Map(peer.digestedStates())
  for (const disk of local) states.set(disk.disk_id, disk.state)
  return states
}

/** Median write time of every disk that is known to have one. */
function writeUsOf(peer: PeerState, local: readonly LocalDisk[]): Map<number, number> {
  const times = new Map(peer.digestedWrites())
  for (const disk of local) if (disk.stats.write_us) times.set(disk.disk_id, disk.stats.write_us)
  return times
}

/** Without a cluster, or nobody who knows its state, what this peer itself does. */
async function allTasks(
  cluster: ClusterPort,
  peer: PeerState,
  movement: Movement,
): Promise<TaskView[]> {
  const own = peer.tasks.list().map(taskView)
  if (peer.peerId === null) return own
  const [moving, data, scrubs] = await Promise.all([
    movement.tasks().catch(() => []),
    cluster.data.request('status.get', {}).catch(() => ({ joins: [] })),
    allScrubTasks(cluster, peer).catch(() => []),
  ])
  return [...moving, ...joinTasks(data), ...own, ...scrubs]
}

async function allScrubTasks(cluster: ClusterPort, peer: PeerState): Promise<TaskView[]> {
  const [state, local] = await Promise.all([cluster.state(), cluster.data.request('disk.list', {})])
  return scrubTasks(state, runningScrubs(peer, local))
}

/** Of the own disks by asking, of the others as their peers told. */
function runningScrubs(peer: PeerState, local: readonly LocalDisk[]): RunningScrub[] {
  const own = new Set(local.map(disk => disk.disk_id))
  const others = [...peer.digestedScrubs()].filter(scrub => !own.has(scrub.disk))
  return [...others, ...local.flatMap(runningScrubOf)]
}
