// Two cells of the partition matrix (partitions.long.test.ts has them all).
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { PartitionBench } from '../helpers/partition-cell.ts'
import { partitions } from '../helpers/partitions.ts'

const brokenMs = 3_500
const patienceMs = 1_500

const short = suite('partitions')
const net = new NetCluster({ peers: 3 })
const bench = new PartitionBench(net)
before(short, async () => {
  await net.up()
  await bench.addUser('v0', patienceMs)
  await net.waitHealthy(60_000)
})
short.after(() => net.down())

const steady = { name: 'steady', begin: async () => undefined }

for (const name of ["the head's peer is alone", 'head from one member, both ways']) {
  short(name, async () => {
    const partition = partitions.find(one => one.name === name)!
    const { operations } = await bench.cell(partition, steady, brokenMs)
    assert.ok(operations > 200)
  })
}

short.run()
