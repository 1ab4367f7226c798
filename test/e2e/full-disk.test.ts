import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, type StatusResult, tool } from '../helpers/demo-cluster.ts'

const full = suite('full disk')
const demo = new DemoCluster()
before(full, async () => {
  await demo.up('--disk-size', '192MiB')
})
full.after(() => demo.down())

/** More than three disks of 192 MiB with three copies hold, in MiB. */
const beyond = 200

full('a full pool says so, takes overwrites and discards, and goes on after a delete', async () => {
  await demo.json('p1', 'volume', 'create', 'big', '--size', '1GiB')
  const { id, uri } = await demo.json<{ id: number; uri: string }>(
    'p1',
    'export',
    'create',
    'big',
    '--nbd',
  )
  const large = await writes(uri, 0x33, '1M', steps(0, beyond, 'M'))
  assert.ok(large.taken.length > 100, `${large.taken.length} MiB were taken`)
  assert.match(large.text, /No space left on device/)
  // What is left is filled with small ones, elsewhere.
  const small = await writes(uri, 0x33, '4k', steps(1_000_000, 1_600, 'k', 4))
  assert.match(small.text, /No space left on device/)

  // One that is full will do for that, and others hear of it by gossip.
  const isSaid = ({ reasons }: StatusResult) => reasons.some(({ code }) => code === 'disk_full')
  const { reasons } = await demo.waitFor('a full disk is named', isSaid, 30_000)
  const reason = reasons.find(({ code }) => code === 'disk_full')
  assert.match(reason!.message, 'is full: writes of new blocks fail')

  const again = await writes(uri, 0x44, '1M', large.taken)
  assert.equal(again.taken, large.taken, `overwrites on a full pool: ${again.text.slice(-400)}`)
  const scattered = large.taken.filter((_, i) => i % 5 === 0).map(at => at + 20_480)
  const odd = await writes(uri, 0x55, '4k', scattered)
  assert.equal(odd.taken, scattered, `small ones: ${odd.text.slice(-400)}`)
  await verify(uri, 0x55, '4k', scattered)
  await verify(uri, 0x44, '16k', large.taken)
  await verify(uri, 0x33, '4k', small.taken.slice(-20))

  // What was never written can be discarded, and what was gives its space to others.
  await tool('qemu-io', '-f', 'raw', '-c', 'discard 300M 600M', uri)
  await tool('qemu-io', '-f', 'raw', '-c', 'discard 0 32M', uri)
  await writeUntilTaken(uri, 'write -P 0x66 400M 16M')
  await verify(uri, 0, '1M', [0, 31 << 20])

  await demo.json('p1', 'export', 'delete', String(id))
  const deleted = await demo.shoal('p1', 'volume', 'delete', 'big', '--yes', '--confirm', 'big')
  assert.is(deleted.code, 0, deleted.stderr)
  await writeUntilTaken(demo.uri, 'write -P 0x55 0 16M')
})

/** Offsets in bytes. */
function steps(from: number, count: number, unit: 'k' | 'M', every = 1): number[] {
  const bytes = unit === 'k' ? 1024 : 1024 * 1024
  return Array.from({ length: count }, (_, i) => (from + i * every) * bytes)
}

/** One write at each offset; which of them were taken. */
async function writes(uri: string, pattern: number, size: string, at: number[]) {
  const text = await qemuIo(
    uri,
    at.map(offset => `write -P ${pattern} ${offset} ${size}`),
  )
  const taken = [...text.matchAll(/^wrote .* at offset (\d+)$/gm)].map(([, offset]) =>
    Number(offset),
  )
  return { text, taken }
}

async function verify(uri: string, pattern: number, size: string, at: number[]): Promise<void> {
  const text = await qemuIo(
    uri,
    at.map(offset => `read -P ${pattern} ${offset} ${size}`),
  )
  assert.not.match(text, /failed/)
  assert.is([...text.matchAll(/^read .* at offset/gm)].length, at.length, text.slice(-400))
}

/** What it printed; commands that fail are told there and end nothing. */
async function qemuIo(uri: string, commands: string[]): Promise<string> {
  const args = commands.flatMap(command => ['-c', command])
  try {
    return await tool('qemu-io', '-f', 'raw', ...args, uri)
  } catch (thrown) {
    return (thrown as Error).message
  }
}

/** What was deleted or discarded is given back in the background. */
async function writeUntilTaken(uri: string, command: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await tool('qemu-io', '-f', 'raw', '-c', command, uri)
      return
    } catch (thrown) {
      if (attempt >= 30) throw thrown
      await new Promise(resolve => setTimeout(resolve, 1_000))
    }
  }
}

full.run()
