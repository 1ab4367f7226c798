// The network is gone for a minute, for everybody, as when a switch starts anew: afterwards it is used soon,
// not when the kernel tries the old connections again (its pauses have grown to a minute by then).
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { PartitionBench } from '../helpers/partition-cell.ts'
import { sleep } from '../helpers/sleep.ts'

const brokenMs = 60_000
const backMs = 15_000

const outage = suite('outage of the network')
const net = new NetCluster({ peers: 3 })
const bench = new PartitionBench(net)
before(outage, async () => {
  await net.up()
  await bench.addUser('v0')
  await net.waitHealthy(60_000)
})
outage.after(() => net.down())

outage('a minute without it, and everything goes on soon afterwards', async () => {
  const [user] = bench.users
  user!.start(0)
  await bench.untilAnswered(100)
  for (const pair of ['p1 p2', 'p1 p3', 'p2 p3'])
    net.cutBoth(...(pair.split(' ') as [string, string]))
  await sleep(brokenMs)
  net.heal()
  const healedMs = Date.now()
  await bench.untilAnswered(100)
  const backAfterMs = Date.now() - healedMs
  await net.waitHealthy(60_000)
  console.log(`      answers after ${backAfterMs} ms, healthy after ${Date.now() - healedMs} ms`)
  await user!.stop()
  await bench.history.expectLinearizable()
  assert.ok(backAfterMs < backMs, `no answers for ${backAfterMs} ms`)
})

outage.run()
