// What the placement bench measures, apart from how it is written down.

import { performance } from 'node:perf_hooks'
import {
  type Id,
  type PgTable,
  type Plan,
  type Policy,
  planTables,
  type TopologyDisk,
} from '../../src/placement/index.ts'
import { straw2Table } from './straw2.ts'

const WEIGHTS = [1, 4, 8, 16]
const DISKS_PER_PEER = 10
const PEERS_PER_RACK = 10

/** Disks of 1, 4, 8 and 16 TiB, ten to a peer, ten peers to a rack, ten racks to a zone. */
export function cluster(count: number, perPeer = DISKS_PER_PEER): TopologyDisk[] {
  return Array.from({ length: count }, (_, i) => {
    const peer = Math.floor(i / perPeer)
    const rack = Math.floor(peer / PEERS_PER_RACK)
    const zone = Math.floor(rack / 10)
    return { id: i, peer: `p${peer}`, rack: `r${rack}`, zone: `z${zone}`, weight: WEIGHTS[i % 4] }
  })
}

export interface Measured {
  readonly plan: Plan
  readonly wallMs: number
  /** Of all threads of the process: what the machine spent, whoever else was busy. */
  readonly cpuMs: number
}

/** Median by CPU time of `times` runs. */
export function measure(
  disks: readonly TopologyDisk[],
  policy: Policy,
  previous?: readonly PgTable[],
  times = 3,
): Measured {
  const runs: Measured[] = []
  for (let i = 0; i < times; i++) {
    const before = process.cpuUsage()
    const start = performance.now()
    const plan = planTables({ disks }, [policy], previous)
    const wallMs = performance.now() - start
    const { user, system } = process.cpuUsage(before)
    runs.push({ plan, wallMs, cpuMs: (user + system) / 1000 })
  }
  runs.sort((a, b) => a.cpuMs - b.cpuMs)
  return runs[times >> 1]
}

export interface Change {
  readonly name: string
  readonly disks: readonly TopologyDisk[]
}

/** Changes of a cluster of `count` disks. */
export function changes(count: number): Change[] {
  const disks = cluster(count)
  const perRack = DISKS_PER_PEER * PEERS_PER_RACK
  const list = [
    { name: 'one disk lost', disks: disks.slice(1) },
    { name: 'one peer lost', disks: disks.slice(DISKS_PER_PEER) },
    { name: 'one peer joins', disks: cluster(count + DISKS_PER_PEER) },
    { name: '20 % more disks', disks: cluster(Math.floor(count * 1.2)) },
  ]
  if (count >= 10 * perRack)
    list.splice(2, 0, { name: 'one rack lost', disks: disks.slice(perRack) })
  return list
}

export interface Straw2 {
  readonly cpuMs: number
  /** Members per disk id. */
  readonly loads: ReadonlyMap<Id, number>
  readonly rows: Uint32Array
}

export function straw2(disks: readonly TopologyDisk[], pgs: number, copies: number): Straw2 {
  const before = process.cpuUsage()
  const rows = straw2Table(disks, pgs, copies)
  const { user, system } = process.cpuUsage(before)
  const loads = new Map<Id, number>()
  for (const disk of rows) loads.set(disk, (loads.get(disk) ?? 0) + 1)
  return { cpuMs: (user + system) / 1000, loads, rows }
}

/** Members of `after` that their PG did not have in `before`. */
export function movedRows(before: Uint32Array, after: Uint32Array, copies: number): number {
  let moved = 0
  for (let first = 0; first < after.length; first += copies) {
    const was = before.subarray(first, first + copies)
    for (let at = first; at < first + copies; at++) if (!was.includes(after[at])) moved++
  }
  return moved
}

export interface HardStep {
  readonly name: string
  readonly measured: Measured
}

/** The two cases that chains were slow at: tight rules, few domains. */
export function hardSteps(): HardStep[] {
  return [...zonesReweighted(), ...wideCodeLosing()]
}

function zonesReweighted(): HardStep[] {
  const zones = (weights: readonly number[]) =>
    Array.from({ length: 10_000 }, (_, i) => {
      const zone = i < 5000 ? 0 : i < 8000 ? 1 : i < 9500 ? 2 : 3
      const weight = weights[zone] * WEIGHTS[i % 4]
      return { id: i, peer: `p${zone}_${Math.floor(i / 10)}`, zone: `z${zone}`, weight }
    })
  const policy: Policy = { name: 'zones', copies: 3, domain: 'zone', pgs: 65_536 }
  return run(policy, [
    ['4 zones of 50/30/15/5 %, one copy each, 10,000 disks', zones([1, 1, 1, 1])],
    ['third zone x 3', zones([1, 1, 3, 1])],
    ['and back', zones([1, 1, 1, 1])],
  ])
}

function wideCodeLosing(): HardStep[] {
  const disks = cluster(240, 12)
  const policy: Policy = { name: 'wide', ec: '12+4', pgs: 4096 }
  return run(policy, [
    ['12+4 on 20 peers, 240 disks', disks],
    ['a peer lost', disks.slice(12)],
    ['a second one', disks.slice(24)],
    ['a third one', disks.slice(36)],
    ['all return', disks],
  ])
}

function run(policy: Policy, steps: readonly (readonly [string, TopologyDisk[]])[]): HardStep[] {
  let previous: PgTable[] | undefined
  return steps.map(([name, disks]) => {
    const measured = measure(disks, policy, previous, 1)
    previous = measured.plan.policies.map(one => one.table)
    return { name, measured }
  })
}
