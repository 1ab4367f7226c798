// The words that enter and leave the placement. Nothing here knows a clock, a network or a disk.

/** Disks and policies are named by what the cluster state calls them. */
export type Id = string | number

/** `down` moves nothing; `draining` and `out` keep no share; both lose their members. */
export type DiskState = 'in' | 'draining' | 'out' | 'down'

/** Smallest to largest: what can fail together. */
export type Domain = 'disk' | 'peer' | 'rack' | 'zone'

export interface TopologyDisk {
  readonly id: Id
  readonly peer: Id
  /** A peer that names no rack, and a rack or peer that names no zone, stands for itself. */
  readonly rack?: Id | null
  readonly zone?: Id | null
  /** Share of the data, by ratio. Default: `size`, then 1. */
  readonly weight?: number | null
  readonly size?: number | null
  /** Part of the weight (same unit) that is kept free. */
  readonly reserve?: number | null
  /** Correction of the weight by measured fill, 1 = none; see `nextFillFactors`. */
  readonly factor?: number | null
  /** Used part of the disk, 0…1, as measured. */
  readonly fill?: number | null
  /** Typical time of a small write, as measured; finds disks slower than their class. */
  readonly latency_us?: number | null
  readonly class?: string | null
  readonly state?: DiskState | null
  readonly labels?: readonly string[] | null
}

export interface Topology {
  readonly disks: readonly TopologyDisk[]
}

/** One member of every PG is on this peer or in this zone. */
export type Localize = { readonly peer: Id } | { readonly zone: Id }

export interface Policy {
  readonly name: Id
  /** Either replicas … */
  readonly copies?: number | null
  /** … or erasure coding, `"k+m"`. */
  readonly ec?: string | null
  /** No two members in one of these. Default: peer. */
  readonly domain?: Domain | null
  /** Upper bounds per domain; a bound for `domain` itself replaces its 1. */
  readonly max_per?: Readonly<Partial<Record<Domain, number>>> | null
  readonly class?: string | null
  /** Only disks that carry all of these. */
  readonly labels?: readonly string[] | null
  readonly localize?: Localize | null
  /** A power of two. Default: see `choosePgCount`. */
  readonly pgs?: number | null
}

/**
 * Members of every PG of one policy, in order.
 *
 *     slots[pg * width + position] = index into `disks`, or HOLE
 *
 * Under replicas position 0 is the preferred reader; under k+m the position is the shard.
 */
export interface PgTable {
  readonly name: Id
  readonly pgs: number
  readonly width: number
  readonly disks: readonly Id[]
  readonly slots: Uint16Array
}

export type WarningCode =
  | 'short_pgs'
  | 'localize_unmet'
  | 'deviation'
  | 'holes'
  | 'slow_disk'
  | 'no_eligible_disk'

export interface PlanWarning {
  readonly code: WarningCode
  readonly message: string
  readonly subject: Id
}

/** Largest distance from the feasible share, in slots. */
export interface Spread {
  readonly disk: number
  readonly peer: number
  readonly rack: number
  readonly zone: number
}

export interface PolicyPlan {
  readonly table: PgTable
  /** Members that a PG did not have before. 0 for a table that did not exist before. */
  readonly moved: number
  /** No table within one slot of the shares moves fewer. */
  readonly lowerBound: number
  /** Members a PG has when the topology allows it: less than `width` when domains are short. */
  readonly membersPerPg: number
  /** Feasible share of every disk of `table.disks`, in 1/65,536 slot. */
  readonly shares: Float64Array
  readonly spread: Spread
  /** Checks that the chains spent of their bound. */
  readonly chainChecks: number
}

export interface Plan {
  readonly disks: readonly Id[]
  readonly policies: readonly PolicyPlan[]
  readonly moved: number
  readonly lowerBound: number
  /** Of the sum over all policies. */
  readonly spread: Spread
  readonly warnings: readonly PlanWarning[]
}
