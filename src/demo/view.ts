// What the demo commands print.
import type { Reply } from '../api/contract.ts'
import { poll } from '../common/clock.ts'
import { programWord } from '../common/program-word.ts'
import { apiOf, findProcesses } from './peer-process.ts'
import { type Demo, nextCommands, serverOf, volumeName } from './plan.ts'

export interface DemoPeerView {
  name: string
  id: number | null
  pid: number | null
  data_pid: number | null
  server: string
  dir: string
}

export interface VolumeView {
  name: string
  size: number
  uri: string | null
  device: string | null
}

export interface DemoView {
  dir: string
  peers: DemoPeerView[]
  volume: VolumeView | null
}

export function demoView(demo: Demo, volume: VolumeView | null): DemoView {
  return {
    dir: demo.dir,
    peers: demo.peers.map(peer => {
      const { control, data } = findProcesses(peer)
      return {
        name: peer.name,
        id: peer.id,
        pid: control?.pid ?? null,
        data_pid: data?.pid ?? null,
        server: serverOf(peer),
        dir: peer.dir,
      }
    }),
    volume,
  }
}

/** The volume as the first peer that answers tells it; null when none does. */
export async function findVolume(demo: Demo): Promise<VolumeView | null> {
  for (const peer of demo.peers) {
    const api = apiOf(peer)
    const shown = await api.call('volume.show', { params: { name: volumeName } }).catch(() => null)
    if (!shown) continue
    const here = await api.call('device.list').catch(() => [])
    const device = here.find(one => one.volume === volumeName && one.kind !== 'export')
    return {
      name: shown.name,
      size: shown.size,
      uri: shown.exports[0]?.uri ?? null,
      device: device?.device ?? null,
    }
  }
  return null
}

const settleMs = 2_000
const pollMs = 50

/** As the first peer sees it; disks that were added just now are opened a moment later. */
export async function demoHealth(demo: Demo): Promise<Reply<'status.show'>> {
  const ask = () => apiOf(demo.peers[0]!).call('status.show')
  const settled = await poll(settleMs, pollMs, async () => {
    const status = await ask()
    return status.health === 'ok' ? status : undefined
  })
  return settled ?? ask()
}

export function demoText(view: DemoView): string {
  const lines = view.peers.map(peer => {
    const state = peer.pid === null ? 'down' : `up, pid ${peer.pid}`
    const data = peer.data_pid === null ? 'no data process' : `data ${peer.data_pid}`
    return `${peer.name}  ${state}, ${data}  ${peer.server}`
  })
  if (view.volume) {
    lines.push(`volume ${view.volume.name}`)
    if (view.volume.uri) lines.push(`  nbd     ${view.volume.uri}`)
    if (view.volume.device) lines.push(`  device  ${view.volume.device}`)
  }
  return lines.join('\n')
}

export function nextText(demo: Demo, view: DemoView): string {
  const commands = nextCommands(demo, view.volume?.uri ?? null, programWord())
  return ['try next:', ...commands.map(command => `  ${command}`)].join('\n')
}
