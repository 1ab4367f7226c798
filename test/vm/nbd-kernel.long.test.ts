// The kernel's nbd client, the fallback where there is no ublk.
import { suite } from 'uvu'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_NBD_DEMO = serverOf('SHOAL_VM_NBD_DEMO', 'shoal-nbd', 'nbd-kernel-demo')
const nbd = suite('kernel nbd')

nbd('file system, verified I/O, kill -9 and return, detach', () => {
  runInGuest('nbd-kernel', { SHOAL_VM_NBD_DEMO })
})

nbd.run()
