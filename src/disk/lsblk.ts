// Block devices of this machine, as lsblk tells them.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ShoalError } from '../common/errors.ts'
import type { DiskClass } from '../data/state.ts'

const run = promisify(execFile)
const columns = 'PATH,SIZE,TYPE,ROTA,TRAN,MODEL,SERIAL,FSTYPE,MOUNTPOINTS,RO'
const outputBytesMax = 8 * 1024 * 1024

export interface BlockDevice {
  path: string
  size: number
  type: string
  class: DiskClass
  model: string
  serial: string
  /** Why it cannot be added as it is; null when it can. */
  refusal: string | null
}

interface RawDevice {
  path?: unknown
  size?: unknown
  type?: unknown
  rota?: unknown
  tran?: unknown
  model?: unknown
  serial?: unknown
  fstype?: unknown
  mountpoints?: unknown
  ro?: unknown
  children?: unknown
}

export async function listBlockDevices(): Promise<BlockDevice[]> {
  try {
    const args = ['--json', '--bytes', '--tree', '-o', columns]
    const { stdout } = await run('lsblk', args, { maxBuffer: outputBytesMax })
    return parseLsblk(stdout)
  } catch (thrown) {
    if (thrown instanceof ShoalError) throw thrown
    throw new ShoalError('unsupported', 'the disks of this machine cannot be listed', {
      why: thrown instanceof Error ? thrown.message.split('\n')[0]! : String(thrown),
      next: 'install lsblk (Debian: util-linux), or name the disk: shoal disk add PATH',
    })
  }
}

/** Disks and partitions; others (loop, optical, memory) hold no data for us. */
export function parseLsblk(text: string): BlockDevice[] {
  const document = JSON.parse(text) as { blockdevices?: RawDevice[] }
  const found: BlockDevice[] = []
  const walk = (raw: RawDevice, inherited: DiskClass) => {
    const children = Array.isArray(raw.children) ? (raw.children as RawDevice[]) : []
    const diskClass = raw.rota === undefined ? inherited : classOf(raw)
    const type = String(raw.type ?? '')
    if (type === 'disk' || type === 'part') found.push(device(raw, children, diskClass))
    for (const child of children) walk(child, diskClass)
  }
  for (const raw of document.blockdevices ?? []) walk(raw, 'ssd')
  return found.filter(one => one.size > 0)
}

function device(raw: RawDevice, children: RawDevice[], diskClass: DiskClass): BlockDevice {
  return {
    path: String(raw.path),
    size: Number(raw.size) || 0,
    type: String(raw.type),
    class: diskClass,
    model: String(raw.model ?? '').trim(),
    serial: String(raw.serial ?? '').trim(),
    refusal: refusalOf(raw, children),
  }
}

function classOf(raw: RawDevice): DiskClass {
  if (raw.tran === 'nvme' || String(raw.path).startsWith('/dev/nvme')) return 'nvme'
  return raw.rota === true || raw.rota === '1' ? 'hdd' : 'ssd'
}

function refusalOf(raw: RawDevice, children: RawDevice[]): string | null {
  const mounts = Array.isArray(raw.mountpoints) ? raw.mountpoints.filter(Boolean) : []
  if (/^\/dev\/(ublkb|nbd|zram|ram)/.test(String(raw.path))) return 'it is no disk of its own'
  if (mounts.length > 0) return `mounted at ${mounts.join(', ')}`
  if (raw.ro === true || raw.ro === '1') return 'it is read-only'
  if (children.length > 0) return `it is in use by ${children.map(one => one.path).join(', ')}`
  if (raw.fstype) return `it holds ${raw.fstype}`
  return null
}
