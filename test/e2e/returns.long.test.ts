// Two of three peers away while the volume was used, in all six orders of return; a disk that was
// wiped while its peer was down; a peer whose wall clock is a day off.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import { peerPaths } from '../../src/common/paths.ts'
import { before } from '../helpers/before.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { PartitionBench } from '../helpers/partition-cell.ts'
import { sleep } from '../helpers/sleep.ts'

const limitMs = 180_000

const returns = suite('returns')
const net = new NetCluster({ peers: 3 })
const bench = new PartitionBench(net)
before(returns, async () => {
  await net.up()
  await bench.addUser('v0', 4_000)
  await net.waitHealthy(limitMs)
})
returns.after(() => net.down())

const orders = [
  ['p1', 'p2', 'p3'],
  ['p1', 'p3', 'p2'],
  ['p2', 'p1', 'p3'],
  ['p2', 'p3', 'p1'],
  ['p3', 'p1', 'p2'],
  ['p3', 'p2', 'p1'],
]

async function judged(): Promise<void> {
  await bench.untilAnswered(100)
  await net.waitHealthy(limitMs)
  await Promise.all(bench.users.map(user => user.stop()))
  const { operations, unknown } = await bench.history.expectLinearizable()
  console.log(`      ${operations} operations, ${unknown} unknown`)
}

function begin(): Promise<void> {
  for (const user of bench.users) user.start(0)
  return bench.untilAnswered(100)
}

for (const order of orders) {
  returns(`all went one after the other and come back as ${order}`, async () => {
    await begin()
    // The last one alone has what was written last.
    for (const name of ['p3', 'p2']) {
      await net.kill(name)
      await sleep(4_000)
    }
    await net.kill('p1')
    for (const name of order) {
      await net.start(name)
      await sleep(2_000)
    }
    await judged()
  })
}

returns('a disk that was wiped while its peer was down is filled again', async () => {
  await begin()
  await net.kill('p3')
  await sleep(3_000)
  rmSync(join(peerPaths(net.peer('p3').dir).diskDir, 'disk1'))
  await net.start('p3')
  await net.addDisk(net.peer('p3'), 'disk2')
  await bench.untilAnswered(100)
  const disks = await net.peer('p1').api.call('disk.list')
  const lost = disks.find(disk => disk.path.endsWith('p3/disks/disk1'))
  if (lost) {
    const input = { params: { id: lost.id }, query: { force: true } } as const
    await net.peer('p3').api.call('disk.remove', input)
  }
  await judged()
})

for (const shift of ['+1d', '-1d']) {
  returns(`a peer whose wall clock is off by ${shift}`, async () => {
    await begin()
    for (const name of ['p1', 'p2']) {
      await net.kill(name)
      await net.start(name, ['faketime', '-f', shift])
      await bench.untilAnswered(50)
    }
    await net.kill('p3')
    await bench.untilAnswered(50)
    await net.start('p3')
    await judged()
    for (const name of ['p1', 'p2']) {
      await net.kill(name)
      await net.start(name)
      await net.waitHealthy(limitMs, 'p3')
    }
  })
}

returns.run()
