// Whether this machine can do its work as a peer: a pure function of what it is.
import { formatSize } from '../common/units.ts'
import { type Check, found, ok } from './check.ts'
import type { Machine } from './machine.ts'

/** The first kernel whose ublk has user copy, and the first without a known fault in ublk. */
const ublkKernel = [6, 5] as const
const soundUblkKernel = [6, 16] as const
const openFilesLeast = 4096
const freeBytesLeast = 256 * 2 ** 20
/** f_type of file systems that a peer's directory should not lie on. */
const volatile = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
])
const remote = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x65735546, 'FUSE'],
])

export function machineChecks(machine: Machine): Check[] {
  return [
    ioUring(machine),
    devices(machine),
    swap(machine),
    openFiles(machine),
    directoryKind(machine),
    directoryRoom(machine),
  ]
}

function ioUring({ ioUringDisabled, isRoot }: Machine): Check {
  if (ioUringDisabled === 2 || (ioUringDisabled === 1 && !isRoot)) {
    const message = `kernel.io_uring_disabled is ${ioUringDisabled}: the data process cannot work`
    return found('error', 'io_uring', message, 'sysctl -w kernel.io_uring_disabled=0')
  }
  return ok('io_uring', 'allowed')
}

function devices(machine: Machine): Check {
  const { kernel, hasUblk, hasNbd } = machine
  const name = 'devices'
  if (hasUblk && isFrom(kernel, soundUblkKernel)) return ok(name, `ublk, Linux ${kernel}`)
  if (hasUblk && isFrom(kernel, ublkKernel)) {
    return found(
      'note',
      name,
      `ublk of Linux ${kernel}: kernels before 6.16 have a fault in it (CVE-2025-37906), unless ` +
        'the distribution mended it',
      'use Linux 6.16 or newer where you can',
    )
  }
  const why = hasUblk ? `Linux ${kernel} is older than 6.5` : 'the kernel has no ublk driver'
  if (hasNbd) return found('note', name, `${why}: devices go through nbd`, 'modprobe ublk_drv')
  const next = 'export volumes instead (shoal export create), or install the module ublk_drv'
  return found('note', name, `${why}, and no nbd: volumes cannot be attached`, next)
}

function swap({ swapCount, swapMaxBytes }: Machine): Check {
  if (swapCount === 0) return ok('swap', 'none')
  if (swapMaxBytes === 0) return ok('swap', 'not for this service')
  return found(
    'warn',
    'swap',
    'memory of the data process may be swapped out, and I/O waits for it',
    'give the service MemorySwapMax=0, or turn swap off; never put swap on a volume',
  )
}

function openFiles({ openFilesMax }: Machine): Check {
  if (openFilesMax >= openFilesLeast) return ok('open_files', `${openFilesMax} allowed`)
  const message = `${openFilesMax} allowed: connections of clients and peers may be refused`
  return found('warn', 'open_files', message, `allow ${openFilesLeast} or more (LimitNOFILE=)`)
}

function directoryKind({ dir }: Machine): Check {
  const name = 'directory'
  const gone = volatile.get(dir.fileSystem)
  if (gone) {
    const message = `${dir.path} is on ${gone}: identity and cluster state are gone after a restart`
    return found('error', name, message, 'keep the directory of the peer on a disk (--dir)')
  }
  const far = remote.get(dir.fileSystem)
  if (far) {
    const message = `${dir.path} is on ${far}: the peer cannot decide when that does not answer`
    return found('warn', name, message, 'keep the directory of the peer on a disk of its own')
  }
  return ok(name, dir.path)
}

function directoryRoom({ dir }: Machine): Check {
  if (dir.freeBytes >= freeBytesLeast) return ok('room', `${formatSize(dir.freeBytes)} free`)
  return found(
    'warn',
    'room',
    `${formatSize(dir.freeBytes)} left for ${dir.path}: logs and cluster state need more`,
    `have ${formatSize(freeBytesLeast)} free`,
  )
}

function isFrom(kernel: string, [major, minor]: readonly [number, number]): boolean {
  const [here = 0, below = 0] = kernel.split(/[.-]/).map(Number)
  return here > major || (here === major && below >= minor)
}
