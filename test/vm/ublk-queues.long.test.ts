// ublk in a real kernel: many queues of many devices on one thread.
import { suite } from 'uvu'
import { needGuest, runInGuest, serverOf } from './guest.ts'

needGuest()
const SHOAL_VM_SERVER = serverOf('SHOAL_VM_SERVER', 'shoal-ublk', 'ublk-file')
const queues = suite('ublk queues')

queues('three devices of two queues each in one ring; more queues than CPUs', () => {
  runInGuest('ublk-multiqueue', { SHOAL_VM_SERVER })
})

queues.run()
