// A peer that is away: planned (maintenance) or not, for longer than `rebuild_after`; and whether what
// `peer ok-to-stop` and `disk safe-to-remove` say comes true.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { fio, type StatusResult, tool } from '../helpers/demo-cluster.ts'
import { MovingCluster, membersByDisk } from '../helpers/moving.ts'
import { openClient } from '../helpers/nbd-client.ts'
import { sleep } from '../helpers/sleep.ts'

interface Check {
  code: number | null
  reasons: string
}

const limitMs = 120_000
const rebuildAfterMs = 6_000
const kept = ['--size=32M', '--bs=256k', '--iodepth=4']

const absence = suite('absence')
const demo = new MovingCluster()
before(absence, async () => {
  await demo.up('--peers', '4')
  await demo.json('p1', 'cluster', 'set', '--rebuild-after', `${rebuildAfterMs}ms`)
  await fio({ uri: demo.uri, rw: 'write', more: [...kept, '--do_verify=0'] })
  await whole()
})
absence.after(() => demo.down())

absence('maintenance suspends the rebuild for as long as it was announced', async () => {
  const disk = await demo.diskOf('p4')
  const before = membersByDisk(await demo.map()).get(disk)!
  assert.ok(before > 0)
  const on = await demo.json<{ maintenance_until: string | null }>(
    ...(['p1', 'peer', 'maintenance', 'p4', 'on', '--for', '25s'] as const),
  )
  const until = Date.parse(on.maintenance_until!)
  await demo.act('stop', 'p4')
  await sleep(2 * rebuildAfterMs)
  assert.ok(Date.now() < until, 'the machine is too slow for this test')
  assert.is(membersByDisk(await demo.map()).get(disk), before, 'its copies stay where they are')
  const status = await demo.status()
  assert.ok(status.reasons.some(reason => reason.code === 'degraded'))
  await untilLeft(disk)
  assert.ok(Date.now() > until, 'not before it was over')
  await demo.settle(limitMs, 2)
  await takenBack('p4', disk)
})

absence(
  'one that is gone for too long is made up for, and taken back when it returns',
  async () => {
    const disk = await demo.diskOf('p4')
    await demo.act('kill', 'p4')
    const begun = Date.now()
    await untilLeft(disk)
    const gone = Date.now() - begun
    assert.ok(gone >= rebuildAfterMs, `${gone} ms`)
    const map = await demo.settle(limitMs, 2)
    assert.is(membersByDisk(map).get(disk), 0)
    console.log(`      given up after ${gone} ms, whole again after ${Date.now() - begun} ms`)
    const check = await safeToRemove(disk)
    assert.is(check.code, 0, check.reasons)
    await fio({ uri: demo.uri, rw: 'read', more: kept })
    await takenBack('p4', disk)
  },
)

absence('maintenance that is taken back lets the rebuild begin', async () => {
  const disk = await demo.diskOf('p4')
  await demo.json('p1', 'peer', 'maintenance', 'p4', 'on', '--for', '1h')
  await demo.act('kill', 'p4')
  await sleep(2 * rebuildAfterMs)
  assert.ok(membersByDisk(await demo.map()).get(disk)! > 0)
  await demo.json('p1', 'peer', 'maintenance', 'p4', 'off')
  await untilLeft(disk)
  await demo.settle(limitMs, 2)
  await takenBack('p4', disk)
})

absence('ok-to-stop and safe-to-remove say what comes true', async () => {
  await demo.json('p1', 'cluster', 'set', '--rebuild-after', '1h')
  assert.match((await okToStop('p1')).reasons, 'its users would lose demo, attached there')
  assert.is((await okToStop('p3')).code, 0)
  const [third, fourth] = [await demo.diskOf('p3'), await demo.diskOf('p4')]
  const busy = await safeToRemove(third)
  assert.is(busy.code, 5)
  assert.match(busy.reasons, 'moves them first')
  const client = await openClient(demo.uri)
  await demo.act('stop', 'p3')
  assert.ok(await client.write(0, 1), 'as it was said: nobody notices')
  await demo.waitFor('p3 is out', status => status.health === 'warn', limitMs)
  const second = await okToStop('p4')
  assert.is(second.code, 5)
  assert.match(second.reasons, /of the voters .* would be left|writes would wait/)
  assert.match((await safeToRemove(fourth)).reasons, /no other disk may take its place|moves them/)
  await demo.act('stop', 'p4')
  const waiting = writeAll(client)
  const first = await Promise.race([waiting, sleep(5_000).then(() => 'waits')])
  assert.is(first, 'waits', 'as it was said: writes wait')
  await demo.act('start', 'p4')
  assert.is(await waiting, true)
  client.close()
  await demo.act('start', 'p3')
  await whole()
  await tool('qemu-io', '-f', 'raw', '-c', 'read -P 9 0 16M', demo.uri)
})

absence('a disk whose copies are the last ones is never said to be safe', async () => {
  const last = await demo.diskOf('p1')
  for (const name of ['p3', 'p4']) await demo.act('kill', name)
  await demo.waitFor('p1 and p2 decide', status => status.health !== 'ok', limitMs)
  await until('some groups are on p1 alone or nearly', async () => {
    const { reasons } = await safeToRemove(last)
    return reasons !== ''
  })
  const refused = await demo.shoal('p1', 'disk', 'remove', `${last}`, '--confirm', `${last}`)
  assert.is.not(refused.code, 0)
  for (const name of ['p3', 'p4']) await demo.act('start', name)
  await whole()
  await fio({ uri: demo.uri, rw: 'read', more: ['--offset=16M', '--size=16M', '--bs=256k'] })
})

/** 16 MiB, so that every group is met. */
async function writeAll(client: Awaited<ReturnType<typeof openClient>>): Promise<boolean> {
  for (let at = 0; at < 4096; at += 16) if (!(await client.write(at * 4096, 9))) return false
  return true
}

/** A loaded machine may have made one disk slower than the others, and that stays to be seen. */
function whole() {
  const isWell = (code: string) => code === 'disk_slower_than_class'
  const allWell = ({ reasons }: StatusResult) => reasons.every(reason => isWell(reason.code))
  return demo.waitFor('all is well', allWell, limitMs)
}

async function untilLeft(disk: number): Promise<void> {
  await until('its copies are made anew elsewhere', async () => {
    const counts = membersByDisk(await demo.map())
    return counts.get(disk) === 0
  })
}

async function takenBack(name: string, disk: number): Promise<void> {
  await demo.act('start', name)
  await until('it has its share again', async () => {
    return membersByDisk(await demo.map()).get(disk)! > 0
  })
  await demo.settle(limitMs, 2)
  await whole()
}

async function okToStop(name: string): Promise<Check> {
  return checked('peer', 'ok-to-stop', name)
}

async function safeToRemove(disk: number): Promise<Check> {
  return checked('disk', 'safe-to-remove', `${disk}`)
}

async function checked(...args: string[]): Promise<Check> {
  const { code, stdout } = await demo.shoal('p1', ...args, '--json')
  return { code, reasons: JSON.parse(stdout).reasons.join('; ') }
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not true after ${limitMs} ms: ${what}`)
    await sleep(300)
  }
}

absence.run()
