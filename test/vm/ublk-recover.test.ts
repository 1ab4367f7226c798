// ublk in a real kernel: servers that die or hang, and many queues of many devices on one thread.
import { suite } from 'uvu'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_SERVER = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file')
const recover = suite('ublk recovery')

recover('kill -9 under verified I/O, and at every step of a recovery', () => {
  runInGuest('ublk-recover', { SHOAL_VM_SERVER })
})

recover('a forced detach from a server that hangs', () => {
  runInGuest('ublk-stuck', { SHOAL_VM_SERVER })
})

recover('many queues of many devices on one thread', () => {
  runInGuest('ublk-multiqueue', { SHOAL_VM_SERVER })
})

recover.run()
