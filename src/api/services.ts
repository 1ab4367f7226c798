// What the routes call. The daemon builds it; tests build it over a data process of their own.

import type { Membership } from '../cluster/membership.ts'
import type { Movement } from '../cluster/movement.ts'
import type { Peers } from '../cluster/peers.ts'
import type { PlacementService } from '../cluster/placement-service.ts'
import type { Policies } from '../cluster/policies.ts'
import type { StatusView } from '../cluster/status.ts'
import type { TaskView } from '../cluster/task-view.ts'
import type { DataMethods } from '../data/protocol.ts'
import type { EventRecord } from '../data/state.ts'
import type { Disks } from '../disk/disks.ts'
import type { Check } from '../doctor/check.ts'
import type { Devices } from '../ublk/devices.ts'
import type { Exports } from '../volume/exports.ts'
import type { Scrubs } from '../volume/scrubs.ts'
import type { Volumes } from '../volume/volumes.ts'

export interface EventQuery {
  /** Only events of a greater id. */
  after: number
  limit: number
}

export interface Services {
  membership: Membership
  peers: Peers
  disks: Disks
  policies: Policies
  volumes: Volumes
  scrubs: Scrubs
  devices: Devices
  exports: Exports
  status: () => Promise<StatusView>
  doctor: () => Promise<Check[]>
  placement: PlacementService
  movement: Movement
  /** Long work of this peer; as a member also that of the whole cluster. */
  tasks: () => Promise<TaskView[]>
  map: () => Promise<object>
  events: (query: EventQuery) => Promise<EventRecord[]>
  slow: (limit: number) => Promise<DataMethods['slow.list']['result']>
  metrics: () => Promise<string>
  versions: () => { control: string; data: string | null; protocol: number }
  /** Throws `no_cluster` before this peer is a member. */
  requireCluster: () => void
  isReady: () => boolean
  /** Calls after something changed; the returned function stops it. */
  onChange: (call: () => void) => () => void
}
