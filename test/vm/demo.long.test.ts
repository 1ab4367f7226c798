// The whole program on a real kernel: demo up with a device, attach, detach and device list by the
// command line, kills of control and data under verified I/O, the kernel's nbd.
import { suite } from 'uvu'
import { before } from '../helpers/before.ts'
import { needGuest, runInGuest } from './guest.ts'
import { type GuestProgram, makeProgram } from './program.ts'

needGuest()
const options = { limitSeconds: 3_000, memoryMib: 5120 }
const demo = suite('the whole program on a real kernel')
let program: GuestProgram
before(demo, () => {
  program = makeProgram()
})
demo.after(() => program.remove())

const guest = (script: string) => runInGuest(script, { SHOAL_VM_PROGRAM: program.dir }, options)

demo('demo up, attach, detach, detach --force, device list, nbd, kills', () => guest('shoal-demo'))

demo.run()
