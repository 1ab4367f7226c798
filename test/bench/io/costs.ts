// What a measurement cost the cluster: processor time, bytes written to disks, memory.
import { readFileSync } from 'node:fs'
import { ApiClient } from '../../../src/api/client.ts'
import type { PeerInfo } from '../../helpers/demo-cluster.ts'

const ticksPerSecond = 100
const written = /^shoal_store_(?:committed|fold|checkpoint|direct)_bytes_total\{[^}]*\} (\d+)/gm

export interface Costs {
  cpu_s: number
  disk_bytes: number
}

export async function readCosts(peers: readonly PeerInfo[]): Promise<Costs> {
  const pids = peers.flatMap(peer => [peer.pid, peer.data_pid]).filter(pid => pid !== null)
  const texts = await Promise.all(
    peers.map(peer => new ApiClient(peer.server.slice('unix:'.length)).text('/metrics')),
  )
  return {
    cpu_s: pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    disk_bytes: texts.reduce((sum, text) => sum + writtenBytes(text), 0),
  }
}

function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

function writtenBytes(metrics: string): number {
  return [...metrics.matchAll(written)].reduce((sum, match) => sum + Number(match[1]), 0)
}

/** The most memory that any data process ever held, in bytes. */
export function dataMemoryPeak(peers: readonly PeerInfo[]): number {
  const pids = peers.map(peer => peer.data_pid).filter(pid => pid !== null)
  return Math.max(...pids.map(pid => statusKib(pid, 'VmHWM') * 1024))
}

function statusKib(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const found = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(status)
  if (!found) throw new Error(`process ${pid} has no ${field}`)
  return Number(found[1])
}
