// What a measurement cost the cluster: processor time, and bytes written to disks.
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
