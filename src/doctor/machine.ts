// What this machine is, as far as Shoal depends on it. Reads, and judges nothing.
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'

export interface Machine {
  kernel: string
  isRoot: boolean
  /** Name of the hypervisor that runs the machine; null on bare metal. */
  hypervisor: string | null
  /** kernel.io_uring_disabled; null where the kernel has no such setting. */
  ioUringDisabled: number | null
  /** Drivers that are loaded, or can be. */
  hasUblk: boolean
  hasNbd: boolean
  swapCount: number
  /** memory.swap.max of the control group; null without a bound. */
  swapMaxBytes: number | null
  memoryBytes: number
  /** Soft limit of open files. */
  openFilesMax: number
  dir: Directory
}

export interface Directory {
  path: string
  /** f_type of statfs. */
  fileSystem: number
  freeBytes: number
}

export function readMachine(dir: string): Machine {
  const kernel = release()
  const group = read('/proc/self/cgroup')?.match(/^0::(\/.*)$/m)?.[1]
  const groupFile = (name: string) =>
    group === undefined ? null : count(read(join('/sys/fs/cgroup', group, name)))
  return {
    kernel,
    isRoot: process.getuid?.() === 0,
    hypervisor: hypervisor(),
    ioUringDisabled: count(read('/proc/sys/kernel/io_uring_disabled')),
    hasUblk: existsSync('/dev/ublk-control') || hasModule(kernel, 'ublk_drv'),
    hasNbd: existsSync('/sys/module/nbd') || hasModule(kernel, 'nbd'),
    swapCount: Math.max(0, (read('/proc/swaps') ?? '').trim().split('\n').length - 1),
    swapMaxBytes: groupFile('memory.swap.max'),
    memoryBytes: Math.min(totalmem(), groupFile('memory.max') ?? Number.POSITIVE_INFINITY),
    openFilesMax: openFilesMax(),
    dir: directory(dir),
  }
}

/** The directory, or the nearest one above it that is there already. */
function directory(wanted: string): Directory {
  let path = wanted
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path)
  const { type, bavail, bsize } = statfsSync(path)
  return { path: wanted, fileSystem: type, freeBytes: bavail * bsize }
}

function hypervisor(): string | null {
  const names = ['sys_vendor', 'product_name'].map(name =>
    read(`/sys/class/dmi/id/${name}`)?.trim(),
  )
  const shown = names.filter(Boolean).join(' ')
  if (/^flags.*\bhypervisor\b/m.test(read('/proc/cpuinfo') ?? '')) return shown || 'a hypervisor'
  // Other processors have no such flag.
  const known = /QEMU|KVM|VMware|VirtualBox|Xen|Virtual Machine|Amazon EC2|Google Compute/
  return known.test(shown) ? shown : null
}

function hasModule(kernel: string, name: string): boolean {
  const lists = ['modules.dep', 'modules.builtin'].map(file => `/lib/modules/${kernel}/${file}`)
  return lists.some(path => new RegExp(`/${name}\\.ko`).test(read(path) ?? ''))
}

function openFilesMax(): number {
  const soft = read('/proc/self/limits')?.match(/^Max open files +(\S+)/m)?.[1]
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft)
}

function count(text: string | null): number | null {
  return text !== null && /^\d+\s*$/.test(text) ? Number(text) : null
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
