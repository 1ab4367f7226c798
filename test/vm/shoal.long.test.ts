// Volumes of real data processes as block devices of a real kernel.
import { suite } from 'uvu'
import { makeCluster } from './cluster.ts'
import { needGuest, preparePackages, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_PEER = serverOf('SHOAL_VM_PEER', 'shoal-runtime', 'data-peer', 'release')
const sizes = { limitSeconds: 1_800, memoryMib: 3072 }
const shoal = suite('devices of volumes')

/** `peers` of them, with `disks` each: every peer more is a process more that is emulated. */
async function guest(script: string, peers: number, disks: number): Promise<void> {
  const cluster = await makeCluster(peers, disks)
  try {
    runInGuest(script, { SHOAL_VM_PEER, SHOAL_VM_CLUSTER: cluster.dir }, sizes)
  } finally {
    cluster.remove()
  }
}

shoal('ublk: file systems, discard, 20 times kill -9 under verified I/O, stop, read-only', () =>
  guest('shoal-ublk', 1, 3),
)

shoal('a database under pgbench survives 20 times kill -9 of the data process', () => {
  preparePackages('postgresql')
  return guest('shoal-pg', 1, 3)
})

shoal.run()
