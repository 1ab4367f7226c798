// What the API shows of a volume: a plain function of the cluster state.
import { type PolicyState, policyState } from '../cluster/views.ts'
import {
  type ClusterState,
  type ExportRecord,
  peerName,
  pgsOf,
  policyName,
  type VolumeRecord,
} from '../data/state.ts'

export interface VolumeView {
  name: string
  id: number
  size: number
  /** Bytes written and not discarded, one copy; null when this peer holds nothing of it. */
  used: number | null
  block_size: number
  policy: string
  state: PolicyState | 'deleting'
  attached: { peer: string; via: string; read_only: boolean; generation: number } | null
  /** Peers whose device answers EIO, because another peer took the volume over. */
  fenced: string[]
  exports: ExportView[]
  created_at: string
}

export interface ExportView {
  id: number
  volume: string
  peer: string
  kind: string
  uri: string
}

/** Every volume there is; those of one policy are in the same state, which takes a look at all its groups. */
export function volumeViews(state: ClusterState): VolumeView[] {
  const states = new Map(state.policies.map(policy => [policy.id, policyState(state, policy)]))
  return state.volumes.map(volume => volumeView(state, volume, null, id => states.get(id)))
}

export function volumeView(
  state: ClusterState,
  volume: VolumeRecord,
  used: number | null,
  stateOf = (policy: number) => stateOfPolicy(state, policy),
): VolumeView {
  const { attachment } = volume
  return {
    name: volume.name,
    id: volume.id,
    size: volume.size_bytes,
    used,
    block_size: volume.block_size,
    policy: policyName(state, volume.policy),
    state: volume.state === 'active' ? (stateOf(volume.policy) ?? 'empty') : 'deleting',
    attached: attachment && {
      peer: peerName(state, attachment.peer),
      via: attachment.via,
      read_only: attachment.read_only,
      generation: attachment.generation,
    },
    fenced: volume.fenced.map(one => peerName(state, one.peer)),
    exports: state.exports
      .filter(one => one.volume === volume.id)
      .map(one => exportView(state, one)),
    created_at: new Date(volume.created_ms).toISOString(),
  }
}

export function exportView(state: ClusterState, record: ExportRecord): ExportView {
  const volume = state.volumes.find(one => one.id === record.volume)
  const name = volume?.name ?? `volume ${record.volume}`
  return {
    id: record.id,
    volume: name,
    peer: peerName(state, record.peer),
    kind: record.kind,
    uri: `nbd+unix:///${name}?socket=${record.path}`,
  }
}

function stateOfPolicy(state: ClusterState, id: number): PolicyState | undefined {
  const policy = state.policies.find(one => one.id === id)
  return policy && policyState(state, policy)
}

/**
 * One copy's bytes from what the disks of this peer hold: they hold `slots` of the policy's placement
 * groups, so the sum is scaled to all of them. Exact where every group has a member here.
 */
export function usedBytes(
  state: ClusterState,
  volume: VolumeRecord,
  writtenByDisk: Readonly<Record<string, number>>,
): number | null {
  const local = new Set(Object.keys(writtenByDisk).map(Number))
  const pgs = pgsOf(state, volume.policy)
  const slots = pgs.reduce((sum, pg) => sum + pg.in_sync.filter(disk => local.has(disk)).length, 0)
  if (slots === 0) return null
  const written = Object.values(writtenByDisk).reduce((sum, bytes) => sum + bytes, 0)
  return Math.round((written * pgs.length) / slots)
}
