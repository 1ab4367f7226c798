import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import { sleep } from '../helpers/sleep.ts'

const control = suite('control process')
const demo = new DemoCluster()
before(control, async () => {
  await demo.up()
})
control.after(() => demo.down())

control('killed and frozen under load: I/O goes on, and control attaches again', async () => {
  const { pid, data_pid } = demo.peer('p1')
  const before = await served()
  const load = Load.verified(demo.uri, 18)
  const frozen = demo.peer('p2').pid!
  process.kill(frozen, 'SIGSTOP')
  process.kill(pid!, 'SIGKILL')
  await sleep(10_000)
  process.kill(frozen, 'SIGCONT')
  await demo.act('start', 'p1')
  assert.is.not(demo.peer('p1').pid, pid)
  assert.is(demo.peer('p1').data_pid, data_pid, 'the data process was not the same one')
  await load.end()
  await demo.waitHealthy()
  assert.equal(await served(), before, 'it was not attached anew')
  assert.equal(await downs(), [], 'nobody was taken for dead')
})

control('a data process that dies is started again, and the volume comes back', async () => {
  const { data_pid } = demo.peer('p1')
  process.kill(data_pid!, 'SIGKILL')
  await demo.waitHealthy(60_000)
  const up = await demo.up()
  assert.is.not(up.peers[0]!.data_pid, data_pid)
  assert.ok(up.volume?.uri)
})

interface Served {
  volume: string
  generation: number
  state: string
}

async function served(): Promise<Served[]> {
  const devices = await demo.json<Served[]>('p1', 'device', 'list')
  return devices.map(({ volume, generation, state }) => ({ volume, generation, state }))
}

async function downs(): Promise<string[]> {
  const events = await demo.json<{ message: string }[]>('p2', 'event', 'list')
  return events.filter(event => / is down/.test(event.message)).map(event => event.message)
}

control.run()
