// Volumes of three real data processes as block devices of a real kernel.
import { suite } from 'uvu'
import { type GuestCluster, makeCluster } from './cluster.ts'
import { needGuest, preparePackages, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_PEER = serverOf('SHOAL_VM_PEER', 'shoal-runtime', 'data-peer', 'release')
const sizes = { limitSeconds: 1_800, memoryMib: 3072 }
const shoal = suite('devices of volumes')
let cluster: GuestCluster
shoal.before(async () => {
  cluster = await makeCluster()
})
shoal.after(() => cluster.remove())

const guest = (script: string) =>
  runInGuest(script, { SHOAL_VM_PEER, SHOAL_VM_CLUSTER: cluster.dir }, sizes)

shoal('ublk: file systems, discard, 20 times kill -9 under verified I/O, stop, read-only', () =>
  guest('shoal-ublk'),
)

shoal('a device taken away ends its I/O; one that was taken over never comes back', () =>
  guest('shoal-gone'),
)

shoal('a database under pgbench survives 20 times kill -9 of the data process', () => {
  preparePackages('postgresql')
  guest('shoal-pg')
})

shoal.run()
