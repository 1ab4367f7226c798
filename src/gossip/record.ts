// What is spread: the words, without their bytes.

export interface Origin {
  /** Id of the peer that says it. */
  peer: number
  /** Raised with each start of that peer, so that what it says now wins over what it said before. */
  incarnation: number
  /** Raised with each record of one incarnation. */
  sequence: number
}

export interface MapBody {
  kind: 'map'
  map_epoch: number
}

/** What a disk has no room for: new data, or even its own tables. */
export type Fullness = 'no' | 'data' | 'tables'

export interface DigestDisk {
  id: number
  size_bytes: number
  used_bytes: number
  /** As the store names it: open, fenced, ... */
  state: string
  /** Median of its small writes, microseconds; 0: not known. */
  write_us: number
  full: Fullness
}

/** Bytes of a disk that are read and verified, of those that were there when it began. */
export interface DigestScrub {
  disk: number
  /** As the store was told: 0 by itself, else the number of an event, else of a check of this peer. */
  order: number
  done: number
  total: number
  /** Seconds; null before it can be told. */
  eta_s: number | null
}

export interface DigestBody {
  kind: 'digest'
  state: 'up' | 'leaving'
  sent_at_ms: number
  map_epoch: number
  /** Processes that want to run, in hundredths, over the last minute. */
  load_percent: number
  control_version: string
  data_version: string
  disks: DigestDisk[]
  /** Under way. */
  scrubs: DigestScrub[]
}

export interface EventBody {
  kind: 'event'
  time_ms: number
  severity: 'info' | 'warn' | 'error'
  code: string
  subject: string
  message: string
}

export type Body = MapBody | DigestBody | EventBody
export type Kind = Body['kind']
export type GossipRecord = { origin: Origin; body: Body }

/** Which of two records of one peer is the newer one: positive when `a` is. */
export function compareOrigins(a: Origin, b: Origin): number {
  return a.incarnation - b.incarnation || a.sequence - b.sequence
}
