// Volumes of real data processes as block devices of a real kernel.
import { suite } from 'uvu'
import { type GuestShape, makeCluster } from './cluster.ts'
import { needGuest, preparePackages, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_PEER = serverOf('SHOAL_VM_PEER', 'shoal-runtime', 'data-peer', 'release')
const sizes = { limitSeconds: 1_800, memoryMib: 3072 }
const shoal = suite('devices of volumes')

/** Every peer more is a process more that is emulated. */
async function guest(script: string, shape: GuestShape): Promise<void> {
  const cluster = await makeCluster(shape)
  try {
    runInGuest(script, { SHOAL_VM_PEER, SHOAL_VM_CLUSTER: cluster.dir }, sizes)
  } finally {
    cluster.remove()
  }
}

shoal('ublk: file systems, discard, 20 times kill -9 under verified I/O, stop, read-only', () =>
  guest('shoal-ublk', { peers: 1, disks: 3 }),
)

shoal('a database under pgbench survives 20 times kill -9 of the data process', () => {
  preparePackages('postgresql')
  return guest('shoal-pg', { peers: 1, disks: 3 })
})

shoal('detached by force under I/O; fenced by a take-over while dead and while paused', () =>
  guest('shoal-gone', { peers: 2, disks: 1, volumeSize: '64MiB' }),
)

shoal('asked for again while it cannot be taken back; a volume that comes back', () =>
  guest('shoal-again', { peers: 2, disks: 1, volumeSize: '64MiB' }),
)

shoal('a device over three peers: verified I/O, 20 times kill -9 of its data process', () =>
  guest('shoal-three', { peers: 3, disks: 1, volumeSize: '64MiB' }),
)

shoal.run()
