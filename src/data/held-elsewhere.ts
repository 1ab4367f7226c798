// One peer at a time has a volume: who has it, and what can be done about that.
import { ShoalError } from '../common/errors.ts'
import { type ClusterState, peerName, type VolumeRecord } from './state.ts'

/** The cluster state refused because another peer has the volume, and its lease may be good. */
export function isHeldElsewhere(thrown: unknown): boolean {
  return thrown instanceof ShoalError && thrown.data?.code === 'attached'
}

/** Names the peer and the command; `command` is the one that was refused. */
export function heldElsewhere(
  state: ClusterState,
  volume: VolumeRecord,
  command: string,
): ShoalError | null {
  const { attachment } = volume
  if (!attachment) return null
  const holder = peerName(state, attachment.peer)
  const exported = state.exports.find(
    one => one.volume === volume.id && one.peer === attachment.peer,
  )
  const isExported = attachment.via === 'export' && exported !== undefined
  return new ShoalError(
    'busy',
    `${volume.name} is ${isExported ? 'exported' : 'attached'} on ${holder}`,
    {
      why:
        `one peer at a time has a volume, and the lease of ${holder} is good; if ${holder} cannot ` +
        `be asked: ${command} --takeover fences it (its clients get errors), and once its lease ` +
        'is over it works without',
      next: isExported
        ? `on ${holder}: shoal export delete ${exported.id}`
        : `on ${holder}: shoal detach ${volume.name}`,
      data: { holder, generation: attachment.generation },
    },
  )
}
