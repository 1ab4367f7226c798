// Volumes of three real data processes as block devices of a real kernel.
import { suite } from 'uvu'
import { type GuestCluster, makeCluster } from './cluster.ts'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_PEER = serverOf('SHOAL_VM_PEER', 'shoal-runtime', 'data-peer')
const sizes = { limitSeconds: 3_600, memoryMib: 3072 }
const shoal = suite('devices of volumes')
let cluster: GuestCluster
shoal.before(async () => {
  cluster = await makeCluster()
})
shoal.after(() => cluster.remove())

shoal('ublk: file systems, kill -9, stop, read-only, fencing, detach', () => {
  runInGuest('shoal-ublk', { SHOAL_VM_PEER, SHOAL_VM_CLUSTER: cluster.dir }, sizes)
})

shoal.run()
