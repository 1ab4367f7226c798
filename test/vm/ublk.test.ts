// ublk in a real kernel: file systems, verified I/O, discard, read-only, fencing.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_SERVER = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file')
const ublk = suite('ublk')

ublk('a script that fails in the guest fails here', () => {
  const env = { SHOAL_VM_SERVER: '/nonexistent' }
  assert.throws(() => runInGuest('hello', env), /hello ended with 4/)
})

ublk('file systems, verify, discard, detach', () => {
  runInGuest('ublk-basic', { SHOAL_VM_SERVER })
})

ublk('a read-only device takes no write', () => {
  runInGuest('ublk-readonly', { SHOAL_VM_SERVER })
})

ublk('a fenced device answers EIO until it is detached', () => {
  runInGuest('ublk-fenced', { SHOAL_VM_SERVER })
})

ublk.run()
