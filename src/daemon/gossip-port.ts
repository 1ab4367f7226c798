// How the daemon sees gossip: finds, spreads and suspects, never decides. Whoever implements it
// lives in src/gossip; a peer with gossip switched off learns of changes from its data process
// alone.

/** What a peer tells of itself, on change and else every few seconds. */
export interface Digest {
  peer: number
  map_epoch: number
  /** Unix time in ms by the clock of the peer. */
  sent_at_ms: number
  disks: { id: number; used_bytes: number; size_bytes: number; state: string }[]
}

export interface GossipPeer {
  peer: number
  isConnected: boolean
}

export interface Gossip {
  start(): Promise<void>
  stop(): Promise<void>
  publishDigest(digest: Digest): void
  onDigest(call: (digest: Digest) => void): void
  onMapEpoch(call: (epoch: number) => void): void
  peers(): GossipPeer[]
}

export const noGossip: Gossip = {
  start: async () => undefined,
  stop: async () => undefined,
  publishDigest: () => undefined,
  onDigest: () => undefined,
  onMapEpoch: () => undefined,
  peers: () => [],
}
