import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'

const kill = suite('kill a replica')
const demo = new DemoCluster()
kill.before(async () => {
  await demo.up()
})
kill.after(() => demo.down())

kill('no client sees an error, status warns, and health returns with the peer', async () => {
  const load = startLoad()
  await sleep(2_000)
  await demo.act('kill', 'p3')
  const warned = await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  assert.ok(warned.reasons.every(reason => reason.next.length > 0))
  const [code] = await once(load, 'exit')
  assert.is(code, 0, 'fio saw an error')
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

function startLoad() {
  return spawn(
    'fio',
    [
      '--name=load',
      '--ioengine=nbd',
      `--uri=${demo.uri}`,
      '--rw=randrw',
      '--bs=4k',
      '--iodepth=8',
      '--size=64M',
      '--verify=crc32c',
      '--verify_backlog=256',
      '--verify_fatal=1',
      '--verify_state_save=0',
      '--time_based=1',
      '--runtime=12',
    ],
    { stdio: 'ignore' },
  )
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

kill.run()
