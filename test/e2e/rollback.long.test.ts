// A disk whose image is taken back to an older one is recognised and filled anew, whenever the image
// was taken; what clients then read from it is what they wrote last.
import { constants, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

interface Event {
  code: string
  subject: string
}

const rollback = suite('rolled-back disk')
const demo = new DemoCluster()
const saved = join(demo.dir, 'saved.img')
let path = ''
let subject = ''

before(rollback, async () => {
  await demo.up()
  const disks = await demo.json<{ id: number; peer: string; path: string }[]>('p1', 'disk', 'list')
  const disk = disks.find(one => one.peer === 'p3')!
  path = disk.path
  subject = `disk ${disk.id}`
})
rollback.after(() => demo.down())

rollback('an ordinary stop and start, and a kill, are no rollback', async () => {
  await write(0x11)
  await demo.act('stop', 'p3')
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  await write(0x12)
  await demo.act('kill', 'p3')
  await demo.act('start', 'p3')
  await demo.waitHealthy(90_000)
  assert.is(await timesUnfit(), 0)
})

rollback('an image of an earlier run, put back after a stop and after a kill', async () => {
  for (const [times, end] of (['stop', 'kill'] as const).entries()) {
    await demo.act('stop', 'p3')
    save()
    await demo.act('start', 'p3')
    await demo.waitHealthy(90_000)
    const value = 0x21 + times
    await write(value)
    await demo.act(end, 'p3')
    await putBackAndExpect(value, times + 1)
  }
})

rollback('an image of the same run, put back after a kill', async () => {
  await write(0x41)
  const pid = demo.peer('p3').data_pid!
  process.kill(pid, 'SIGSTOP')
  save()
  process.kill(pid, 'SIGCONT')
  await demo.waitHealthy(90_000)
  await write(0x42)
  // The log's mark is moved on every second.
  await new Promise(resolve => setTimeout(resolve, 2_500))
  await demo.act('kill', 'p3')
  await putBackAndExpect(0x42, 3)
})

function save(): void {
  copyFileSync(path, saved, constants.COPYFILE_FICLONE)
}

function write(byte: number): Promise<string> {
  return tool('qemu-io', '-f', 'raw', '-c', `write -P ${byte} 0 32M`, demo.uri)
}

/** p3 is down. Its disk is filled anew, and then gives what was written last. */
async function putBackAndExpect(byte: number, times: number): Promise<void> {
  copyFileSync(saved, path, constants.COPYFILE_FICLONE)
  await demo.act('start', 'p3')
  await untilUnfit(times)
  await demo.waitHealthy(120_000)
  await readAt('p3', byte)
  await readAt('p1', byte)
}

/** The volume's head goes to this peer, which reads its own disk first. */
async function readAt(peer: string, byte: number): Promise<void> {
  for (const other of ['p1', 'p2', 'p3']) {
    const exports = await demo.json<{ id: number; peer: string }[]>(other, 'export', 'list')
    const own = exports.filter(one => one.peer === other)
    for (const { id } of own) await demo.json(other, 'export', 'delete', String(id))
  }
  for (let tries = 0; ; tries++) {
    const ran = await demo.shoal(peer, 'export', 'create', 'demo', '--nbd', '--json')
    if (ran.code === 0) {
      demo.uri = (JSON.parse(ran.stdout) as { uri: string }).uri
      break
    }
    if (tries > 60) throw new Error(ran.stdout + ran.stderr)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  const read = await tool('qemu-io', '-f', 'raw', '-c', `read -P ${byte} 0 32M`, demo.uri)
  assert.not.match(read, /verification failed/)
}

async function timesUnfit(): Promise<number> {
  const events = await demo.json<Event[]>('p1', 'event', 'list')
  return events.filter(one => one.code === 'store_unfit' && one.subject === subject).length
}

async function untilUnfit(times: number): Promise<void> {
  for (let tries = 0; (await timesUnfit()) < times; tries++) {
    if (tries > 60) throw new Error(`the rollback was not recognised: ${await timesUnfit()}`)
    await new Promise(resolve => setTimeout(resolve, 500))
  }
  assert.is(await timesUnfit(), times)
}

rollback.run()
