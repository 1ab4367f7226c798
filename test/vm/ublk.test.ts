// ublk in a real kernel: file systems, verified I/O, discard, read-only, fencing. One guest for all:
// its start costs as much as a script.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_SERVER = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file')
const ublk = suite('ublk')

ublk('a script that fails in the guest fails here', () => {
  const env = { SHOAL_VM_SERVER: '/nonexistent' }
  let failure = 'none'
  try {
    runInGuest('several', env, { args: ['hello'] })
  } catch (error) {
    failure = String(error)
  }
  assert.match(failure, /several ended with 4/)
})

ublk('file systems, verify, discard, detach; read-only takes no write; fenced answers EIO', () => {
  const args = ['ublk-basic', 'ublk-readonly', 'ublk-fenced']
  runInGuest('several', { SHOAL_VM_SERVER }, { args })
})

ublk.run()
