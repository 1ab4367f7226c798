// How the daemon sees gossip: finds, spreads and suspects, never decides. A peer with gossip
// switched off learns of changes from its data process alone.
import type { PeerPresence } from '../gossip/cluster-gossip.ts'
import { GossipHost, type GossipHostInit, type GossipView } from '../gossip/gossip-host.ts'
import type { DigestBody, EventBody } from '../gossip/record.ts'

export type Digest = DigestBody

export interface Gossip {
  /** Whom to talk with; null before this peer is a member of a cluster. */
  update(view: GossipView | null): void
  publishDigest(digest: Digest): void
  publishEvent(event: EventBody): void
  onDigest(call: (peer: number, digest: Digest) => void): void
  onMapEpoch(call: (epoch: number) => void): void
  onEvent(call: (peer: number, event: EventBody) => void): void
  /** Someone came, went, or is not heard any more. */
  onPresence(call: () => void): void
  peers(): PeerPresence[]
  stop(): Promise<void>
}

export const noGossip: Gossip = {
  update: () => undefined,
  publishDigest: () => undefined,
  publishEvent: () => undefined,
  onDigest: () => undefined,
  onMapEpoch: () => undefined,
  onEvent: () => undefined,
  onPresence: () => undefined,
  peers: () => [],
  stop: async () => undefined,
}

export function makeGossip(isEnabled: boolean, init: GossipHostInit): Gossip {
  return isEnabled ? new GossipHost(init) : noGossip
}
