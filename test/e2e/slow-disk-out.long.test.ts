// A disk that answers, but a hundred times slower than it used to, does not take its volumes with it:
// it is put out, held back, and comes back when it is fast again.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { FaultyDisk } from '../helpers/faulty-disk.ts'
import { Load } from '../helpers/load.ts'
import { sleep } from '../helpers/sleep.ts'

interface Event {
  code: string
  message: string
}

/** Longer than ten times what a loaded machine needs for a write; nothing counts as stalled yet. */
const slowMs = 900
const slow = suite('slow disk')
const demo = new DemoCluster()
let disk: FaultyDisk | undefined

before(slow, async () => {
  await demo.up()
})
slow.after(async () => {
  await demo.down()
  await disk?.end()
})

slow('is put out while the others go on, and comes back', async () => {
  const disks = await demo.json<{ peer: string; path: string }[]>('p1', 'disk', 'list')
  const { path } = disks.find(one => one.peer === 'p3')!
  await demo.act('stop', 'p3')
  disk = await FaultyDisk.over(path)
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  // What is usual is learned first.
  const usual = await Load.writes(demo.uri, 20).latency()
  console.log(`      usual: p99 ${usual.p99Ms} ms`)
  await slowDown()
  const holds = (await slowEvents()).map(event => /held back for (\d+) s/.exec(event.message)?.[1])
  assert.equal(holds.map(Number), [3])
})

/** Until it is put out; then it is as fast as ever, and comes back. */
async function slowDown(): Promise<void> {
  const load = Load.writes(demo.uri, 40)
  await sleep(2_000)
  const begun = Date.now()
  const stop = disk!.slow(slowMs)
  try {
    await untilEvents(1, 25_000)
    console.log(`      put out and told after ${Date.now() - begun} ms`)
  } finally {
    stop()
  }
  const during = await load.latency()
  console.log(`      p99 ${during.p99Ms} ms, longest ${during.maxMs} ms`)
  assert.ok(during.maxMs < 6_000, `the longest write took ${during.maxMs} ms`)
  await demo.waitHealthy(120_000)
}

async function slowEvents(): Promise<Event[]> {
  const events = await demo.json<Event[]>('p1', 'event', 'list')
  return events.filter(event => event.code === 'disk_slow')
}

async function untilEvents(count: number, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs
  while ((await slowEvents()).length < count) {
    if (Date.now() > end) throw new Error(`not told ${count} times within ${limitMs} ms`)
    await sleep(100)
  }
}

slow.run()
