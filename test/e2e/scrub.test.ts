import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { poll } from '../../src/common/clock.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'
import { flipBits, spoilRoots } from '../helpers/disk-damage.ts'

interface Scrub {
  is_done: boolean
  disks: { disk: number; peer: string; result: Result | null }[]
}

interface Result {
  blocks: number
  bad: number
  repaired: number
  lost: number
  postponed: number
  metadata: number
}

interface Disk {
  id: number
  peer: string
  path: string
  state: string
}

const scrub = suite('scrub')
const demo = new DemoCluster()
const data = ['--size=24M', '--bs=64k', '--iodepth=8']

before(scrub, async () => {
  await demo.up()
  await fio({ uri: demo.uri, rw: 'write', more: data })
  await folded()
})
scrub.after(() => demo.down())

scrub('what flipped while the peer served is found, repaired, and gone the next time', async () => {
  const places = flipBits((await diskOf('p2')).path, 100, 1)
  const found = await scrubbed('p2')
  assert.ok(found.bad > 50, `${found.bad} of ${places.length} places were the volume's`)
  assert.equal([found.repaired, found.lost, found.postponed], [found.bad, 0, 0])
  const check = await checked('p2')
  assert.equal([check.bad, check.lost], [0, 0])
  await folded()
  assert.is((await scrubbed('p2')).bad, 0)
  await readBack()
})

scrub('what flipped while the peer was down is repaired, too', async () => {
  const { path } = await diskOf('p3')
  await demo.act('kill', 'p3')
  await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  flipBits(path, 100, 2)
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  const check = await checked('p3')
  assert.equal([check.lost, check.postponed], [0, 0])
  assert.is(check.repaired, check.bad)
  await folded()
  const again = await checked('p3')
  assert.equal([again.bad, again.metadata], [0, 0])
  await readBack()
})

scrub('a store whose metadata is damaged is filled anew from the others', async () => {
  const { path } = await diskOf('p3')
  await demo.act('kill', 'p3')
  spoilRoots(path)
  await demo.act('start', 'p3')
  await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  await demo.waitHealthy(90_000)
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'store_rebuilt'))
  await folded()
  const check = await checked('p3')
  assert.ok(check.blocks >= 24 * 256, `${check.blocks} blocks came back`)
  assert.equal([check.bad, check.metadata], [0, 0])
  // It is the same store from now on: the next start fills nothing anew.
  await demo.act('kill', 'p3')
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  const later = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  const marks = (list: { code: string }[]) => list.filter(one => one.code === 'store_unfit').length
  assert.is(marks(later), marks(events))
  await readBack()
})

scrub('a client that meets a bad copy gets a good one, and the copy is repaired', async () => {
  // The head reads from the disk of its own peer first.
  flipBits((await diskOf('p1')).path, 100, 3)
  await readBack()
  await folded()
  const left = await checked('p1')
  assert.equal([left.lost, left.postponed], [0, 0])
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'blocks_repaired'))
  await readBack()
})

scrub('blocks that are bad everywhere are named, and are sound once they are written', async () => {
  const volume = demo.uri.replace(/^.*\/\/\/([^?]*).*$/, '$1')
  for (const peer of ['p1', 'p2', 'p3']) flipEvery((await diskOf(peer)).path)
  await demo.json<Scrub>('p1', 'volume', 'scrub', volume, '--wait')
  const damage = await demo.json<{ offset: number; length: number }[]>(
    'p1',
    'volume',
    'show',
    volume,
    '--damage',
  )
  const lost = damage.reduce((sum, range) => sum + range.length, 0)
  assert.ok(lost > 0 && lost % 4096 === 0, `${lost} bytes are lost`)
  const read = await fio({ uri: demo.uri, rw: 'read', more: data }).then(
    () => 'read',
    (error: Error) => error.message,
  )
  assert.match(read, /Input\/output error|EIO|error=5|err= 5/)
  await fio({ uri: demo.uri, rw: 'write', more: data })
  await folded()
  await demo.json<Scrub>('p1', 'volume', 'scrub', volume, '--wait')
  assert.equal(await demo.json('p1', 'volume', 'show', volume, '--damage'), [])
  await readBack()
})

/** Data leaves the logs when nobody writes for two seconds. */
async function folded(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 3_500))
}

async function readBack(): Promise<void> {
  await fio({ uri: demo.uri, rw: 'read', more: data })
}

async function diskOf(peer: string): Promise<Disk> {
  const disks = await demo.json<Disk[]>('p1', 'disk', 'list')
  return disks.find(disk => disk.peer === peer)!
}

async function scrubbed(peer: string): Promise<Result> {
  const volume = demo.uri.replace(/^.*\/\/\/([^?]*).*$/, '$1')
  const found = await demo.json<Scrub>('p1', 'volume', 'scrub', volume, '--wait')
  assert.ok(found.is_done && found.disks.every(disk => disk.result !== null))
  return found.disks.find(disk => disk.peer === peer)!.result!
}

async function checked(peer: string): Promise<Result> {
  const { id } = await diskOf(peer)
  // A peer that was away for a moment stays in sync: its store may still be being opened.
  const ran = await poll(30_000, 200, async () => {
    const one = await demo.shoal(peer, 'disk', 'check', String(id), '--wait', '--json')
    return one.stderr.includes('has no open store') ? undefined : one
  })
  assert.is(ran?.code, 0, ran?.stderr ?? `disk ${id} is not opened`)
  return (JSON.parse(ran!.stdout) as { result: Result }).result
}

/** Every 512th cell that holds something, the same ones nowhere in particular. */
function flipEvery(path: string): void {
  flipBits(path, 1_500, 4)
}

scrub.run()
