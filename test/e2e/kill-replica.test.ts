import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import { sleep } from '../helpers/sleep.ts'

const kill = suite('kill a replica')
const demo = new DemoCluster()
before(kill, async () => {
  await demo.up()
})
kill.after(() => demo.down())

kill('no client sees an error, status warns, and health returns with the peer', async () => {
  const load = Load.verified(demo.uri, 12)
  await sleep(2_000)
  await demo.act('kill', 'p3')
  const warned = await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  assert.ok(warned.reasons.every(reason => reason.next.length > 0))
  await load.end()
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
})

kill('the replica that came back holds what was written without it', async () => {
  // Only p2 and p3 are left to read from once the reader must do without its own copy; the head
  // verifies every checksum, so that a stale copy would show as a mismatch.
  const more = ['--size=32M', '--bs=64k', '--iodepth=4']
  await fio({ uri: demo.uri, rw: 'write', more })
  await demo.act('kill', 'p2')
  await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  await fio({ uri: demo.uri, rw: 'read', more })
  await demo.act('start', 'p2')
  await demo.waitHealthy(90_000)
})

kill.run()
