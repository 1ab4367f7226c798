// How the cluster is: a pure function of what this peer knows.
import type { DataStatus, JoinLine, TaskProgress } from '../data/protocol.ts'
import {
  type ClusterState,
  isMissed,
  type PeerRecord,
  type PolicyRecord,
  peerName,
  width,
} from '../data/state.ts'
import { closedStoreFindings } from './closed-stores.ts'
import { togetherFindings } from './copies-together.ts'
import type { Hold } from './flapping.ts'
import { heldFindings } from './flapping-finding.ts'
import { waitFindings, waitsFor } from './io-waits.ts'
import { type RunningScrub, scrubTasks } from './scrub-tasks.ts'
import { slowFindings } from './slow-disks.ts'
import { type Fullness, spaceFindings } from './space.ts'
import { voterFindings } from './status-voters.ts'
import type { TaskView } from './task-view.ts'
import {
  disksAway,
  type PolicyState,
  type PresenceOf,
  type Reach,
  reachOf,
  shownState,
  volumesOf,
  volumesText,
} from './views.ts'

export interface Reason {
  code: string
  message: string
  next: string
}

export type Health = 'ok' | 'warn' | 'error'

export interface StatusView {
  health: Health
  reasons: Reason[]
  cluster: { name: string; id: string; map_epoch: number; leader: string | null }
  peers: { name: string; state: string }[]
  disks: { total: number; in: number }
  capacity: { total: number; used: number }
  volumes: { total: number; degraded: number; blocked: number }
  tasks: TaskView[]
}

export interface StatusInput {
  state: ClusterState
  /** Used bytes of every disk whose peer told them. */
  usedBytes: ReadonlyMap<number, number>
  /** Median of small writes by disk, in microseconds, as far as the peers told. */
  writeUs: ReadonlyMap<number, number>
  /** What each disk has no room for, as far as the peers told. */
  fullness: ReadonlyMap<number, Fullness>
  /** How the store of each disk is, as far as the peers told. */
  storeStates: ReadonlyMap<number, string>
  /** The peer that is asked. */
  self: number | null
  presenceOf: PresenceOf
  tasks: readonly TaskProgress[]
  /** Of the whole cluster, as far as the peers told. */
  scrubs: readonly RunningScrub[]
  /** Who was lost again and again, and is given time. */
  held: readonly Hold[]
  /** Of the whole cluster. */
  movement: readonly TaskView[]
  data: DataStatus
}

export interface Finding extends Reason {
  health: Health
}

export function clusterStatus(input: StatusInput): StatusView {
  const { state, usedBytes } = input
  const away = disksAway(state)
  const reaches = state.policies.map(policy => reachOf(policy, away))
  const findings = [
    ...voterFindings(state, input.self, input.presenceOf),
    ...peerFindings(state),
    ...waitFindings(state, input.presenceOf),
    ...silenceFindings(input),
    ...missingFindings(state),
    ...diskFindings(state),
    ...closedStoreFindings(state, input.storeStates, input.self),
    ...slowFindings(state, input.writeUs),
    ...spaceFindings(state, input.fullness),
    ...policyFindings(state, reaches),
    ...togetherFindings(state),
    ...heldFindings(state, input.held),
    ...movementFindings(input.movement),
  ]
  const isWaiting = (policy: PolicyRecord) => waitsFor(state, policy, input.presenceOf).length > 0
  const volumeStates = state.policies.map((policy, i) => ({
    count: volumesOf(state, policy.id).length,
    state: isWaiting(policy) ? 'blocked' : reaches[i]!.state,
  }))
  const count = (wanted: PolicyState[]) =>
    volumeStates.reduce((sum, one) => sum + (wanted.includes(one.state) ? one.count : 0), 0)
  return {
    health: worst(findings.map(finding => finding.health)),
    reasons: findings.map(({ code, message, next }) => ({ code, message, next })),
    cluster: {
      name: state.name,
      id: state.cluster_id,
      map_epoch: state.map_epoch,
      leader: state.peers.find(peer => peer.id === state.leader)?.name ?? null,
    },
    peers: state.peers.map(peer => ({
      name: peer.name,
      state: shownState(state, peer, input.presenceOf(peer.id)),
    })),
    disks: {
      total: state.disks.length,
      in: state.disks.filter(disk => disk.state === 'in').length,
    },
    capacity: {
      total: state.disks.reduce((sum, disk) => sum + disk.size_bytes, 0),
      used: state.disks.reduce((sum, disk) => sum + (usedBytes.get(disk.id) ?? 0), 0),
    },
    volumes: {
      total: count(['ok', 'degraded', 'blocked', 'empty']),
      degraded: count(['degraded']),
      blocked: count(['blocked', 'empty']),
    },
    tasks: [
      ...input.movement,
      ...input.tasks.map(taskView),
      ...joinTasks(input.data),
      ...scrubTasks(state, input.scrubs),
    ],
  }
}

function worst(healths: Health[]): Health {
  if (healths.includes('error')) return 'error'
  return healths.includes('warn') ? 'warn' : 'ok'
}

function peerFindings(state: ClusterState): Finding[] {
  return state.peers
    .filter(peer => peer.state === 'down')
    .filter(peer => !isMissed(state, peer.id))
    .map(peer => downFinding(state, peer))
}

/** Nobody has to start a peer for its copies to come back once others make them anew. */
function downFinding(state: ClusterState, peer: PeerRecord): Finding {
  const { id, name, maintenance_until_ms: untilMs } = peer
  const own = state.disks.filter(disk => disk.peer === id)
  const isGivenUp = own.length > 0 && own.every(disk => disk.state === 'out')
  const planned = untilMs > 0 ? `: maintenance until ${new Date(untilMs).toISOString()}` : ''
  const doing = isGivenUp ? ': gone for so long that its copies are made elsewhere' : planned
  const start = isGivenUp ? `it takes its place again if it comes back` : `start shoal on ${name}`
  return {
    health: 'warn',
    code: 'peer_down',
    message: `peer ${name} is down${doing}`,
    next: `${start}; if it is gone for good: shoal peer remove ${name}`,
  }
}

/** Counted on by the cluster, and yet not heard for long. */
function silenceFindings({ state, presenceOf }: StatusInput): Finding[] {
  return state.peers
    .filter(peer => peer.state === 'in' && presenceOf(peer.id) === 'down')
    .map(peer => ({
      health: 'warn' as const,
      code: 'peer_silent',
      message: `nothing is heard of peer ${peer.name}; the leader still counts on it`,
      next: `look at the daemon on ${peer.name}, and whether its gossip.listen can be reached`,
    }))
}

function missingFindings(state: ClusterState): Finding[] {
  return state.disks
    .filter(disk => state.missing?.includes(disk.id))
    .map(disk => ({
      health: 'error' as const,
      code: 'disk_missing',
      message:
        `disk ${disk.id} (${disk.path}) has not come back since the cluster was restored from ` +
        'its disks: volumes with a copy on it wait',
      next:
        'on the peer that has it: shoal disk add PATH --existing; ' +
        `if it is gone for good: shoal disk remove ${disk.id} --force`,
    }))
}

function diskFindings(state: ClusterState): Finding[] {
  return state.disks
    .filter(disk => disk.state === 'down')
    .map(disk => ({
      health: 'warn' as const,
      code: 'disk_down',
      message: `disk ${disk.id} (${disk.path}) of ${peerName(state, disk.peer)} is down`,
      next:
        `on ${peerName(state, disk.peer)}: shoal disk show ${disk.id} says why; if it is gone for ` +
        `good: shoal disk remove ${disk.id} --force`,
    }))
}

function policyFindings(state: ClusterState, reaches: readonly Reach[]): Finding[] {
  return state.policies.flatMap((policy, i) => {
    const reach = reaches[i]!
    if (reach.state === 'blocked') return [blockedFinding(state, policy, reach)]
    if (reach.state === 'degraded') return [degradedFinding(state, policy, reach)]
    if (reach.state === 'empty') return [emptyFinding(policy)]
    return []
  })
}

function blockedFinding(state: ClusterState, policy: PolicyRecord, { unread }: Reach): Finding {
  const reads =
    unread === 0
      ? 'reads go on'
      : `reads of ${unread} placement groups with no copy there wait, too`
  return {
    health: 'error',
    code: 'writes_blocked',
    message:
      `${volumesText(state, policy)}: writes wait, fewer than ${policy.min_in_sync} copies are ` +
      `there and in sync; ${reads}`,
    next: absentPeers(state, policy),
  }
}

function degradedFinding(state: ClusterState, policy: PolicyRecord, { short }: Reach): Finding {
  const { pgs } = policy
  const isJoining = pgs.some(pg => pg.joining !== null)
  return {
    health: 'warn',
    code: 'degraded',
    message:
      `${volumesText(state, policy)}: ${short} of ${pgs.length} placement groups have ` +
      `fewer than ${width(policy)} copies that are there and in sync`,
    next: isJoining ? 'wait: copies are being brought up to date' : absentPeers(state, policy),
  }
}

function emptyFinding(policy: PolicyRecord): Finding {
  return {
    health: 'warn',
    code: 'no_placement',
    message: `policy ${policy.name} has no disks to place data on`,
    next: `add disks on at least ${width(policy)} peers: shoal disk add DEV`,
  }
}

/** Who has to come back, as far as it can be told. */
function absentPeers(state: ClusterState, policy: PolicyRecord): string {
  const away = disksAway(state)
  const missing = new Set<number>()
  for (const { members, in_sync } of policy.pgs) {
    for (const disk of members) if (!in_sync.includes(disk) || away.has(disk)) missing.add(disk)
  }
  const names = new Set<string>()
  const down: number[] = []
  let isMadeAnew = false
  for (const disk of state.disks) {
    const peer = state.peers.find(one => one.id === disk.peer)
    if (!missing.has(disk.id)) continue
    if (disk.state === 'out' || peer?.state === 'out') isMadeAnew = true
    else if (peer && peer.state !== 'in') names.add(peer.name)
    else if (disk.state === 'down') down.push(disk.id)
  }
  if (names.size > 0) return `start shoal on ${[...names].sort().join(', ')}`
  if (down.length > 0) return `see to the disks that are down: ${down.join(', ')}`
  if (isMadeAnew) return 'wait: copies are being made anew on other disks'
  return 'add disks on more peers, or wait for copies to be made: shoal status'
}

export function taskView(task: TaskProgress): TaskView {
  const { id, kind, state, done, total, unit, message } = task
  const unmeasured = { rate: null, eta_seconds: null, members_left: null }
  return { id, kind, state, done, total, unit, message, ...unmeasured }
}

/** Somebody waits for what will not come by itself. */
function movementFindings(movement: readonly TaskView[]): Finding[] {
  return movement
    .filter(task => task.state === 'blocked')
    .map(task => ({
      health: 'warn' as const,
      code: 'placement_blocked',
      message: task.message ?? task.id,
      next:
        task.kind === 'drain'
          ? 'add disks where the policies allow them, or take the drain back'
          : 'correct the rack and zone of the peers it names: shoal peer set --domain',
    }))
}

/** Members on disks of this peer that fill up. */
export function joinTasks(data: Pick<DataStatus, 'joins'>): TaskView[] {
  return data.joins.map(join => ({
    id: `join-${join.policy}.${join.index}-${join.disk}`,
    kind: 'resync',
    state: 'running',
    done: join.done,
    total: join.total,
    unit: 'bytes',
    message: `placement group ${join.policy}.${join.index} to disk ${join.disk}`,
    ...pace(join),
    members_left: 1,
  }))
}

/** On the average since it began. */
function pace({ done, total, running_ms = 0 }: JoinLine): Pick<TaskView, 'rate' | 'eta_seconds'> {
  if (done === 0 || running_ms === 0) return { rate: null, eta_seconds: null }
  const perSecond = (done * 1000) / running_ms
  return { rate: Math.round(perSecond), eta_seconds: Math.ceil((total - done) / perSecond) }
}
