// ublk in a real kernel: servers that die or hang. One guest for all.
import { suite } from 'uvu'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_SERVER = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file')
const recover = suite('ublk recovery')

recover('kill -9 under verified I/O and at every step of a recovery; a hanging server', () => {
  const args = ['ublk-recover', 'ublk-stuck']
  runInGuest('several', { SHOAL_VM_SERVER }, { args })
})

recover.run()
