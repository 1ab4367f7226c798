import { suite } from 'uvu'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'

const kill = suite('kill all')
const demo = new DemoCluster()
before(kill, async () => {
  await demo.up()
})
kill.after(() => demo.down())

kill('after the death of all peers at once everything comes back by itself', async () => {
  const more = ['--size=48M', '--bs=16k', '--iodepth=8']
  await fio({ uri: demo.uri, rw: 'randwrite', more })
  await Promise.all(['p1', 'p2', 'p3'].map(name => killNow(name)))
  await demo.up()
  await demo.waitHealthy(90_000)
  await fio({ uri: demo.uri, rw: 'randread', more })
})

/** Straight to the kernel: `demo kill` takes turns by its lock. */
function killNow(name: string): void {
  const { pid, data_pid } = demo.peer(name)
  for (const one of [pid, data_pid]) if (one !== null) process.kill(one, 'SIGKILL')
}

kill.run()
