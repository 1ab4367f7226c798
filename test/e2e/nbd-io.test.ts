import { createHash, randomFillSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio, tool } from '../helpers/demo-cluster.ts'

const nbd = suite('nbd io')
const demo = new DemoCluster()
before(nbd, async () => {
  await demo.up()
})
nbd.after(() => demo.down())

nbd('clients see what the volume is and can do', async () => {
  const info = JSON.parse(await tool('nbdinfo', '--json', demo.uri))
  const [shown] = info.exports
  assert.is(shown['export-size'], 2 ** 30)
  for (const can of ['can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_multi_conn'])
    assert.is(shown[can], true, can)
  assert.is(shown.is_read_only, false)
})

nbd('what one client copies in, another copies out', async () => {
  const data = Buffer.alloc(32 * 2 ** 20)
  randomFillSync(data)
  const [source, target] = [join(demo.dir, 'in'), join(demo.dir, 'out')]
  writeFileSync(source, data)
  await demo.json('p1', 'volume', 'create', 'copy', '--size', '32MiB')
  const { uri } = await demo.json<{ uri: string }>('p1', 'export', 'create', 'copy', '--nbd')
  await tool('nbdcopy', '-C', '4', source, uri)
  await tool('nbdcopy', '-C', '4', uri, target)
  const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  assert.is(sum(readFileSync(target)), sum(data))
  assert.match(
    await tool('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', source, uri),
    'identical',
  )
})

nbd('odd offsets and lengths are merged, zeroes and discards read as zeroes', async () => {
  const io = (...commands: string[]) =>
    tool('qemu-io', '-f', 'raw', ...commands.flatMap(one => ['-c', one]), demo.uri)
  await io('write -P 0x11 0 64k', 'write -P 0x22 4097 513', 'flush')
  const read = await io(
    'read -P 0x11 0 4097',
    'read -P 0x22 4097 513',
    'read -P 0x11 4610 1000',
    'write -z 8192 4096',
    'read -P 0 8192 4096',
    'discard 16384 16384',
    'read -P 0 16384 16384',
  )
  assert.not.match(read, /failed|error/i)
})

nbd('random writes verify, in flight up to 32', async () => {
  const more = ['--size=64M', '--bs=4k', '--iodepth=32', '--io_size=32M']
  await fio({ uri: demo.uri, rw: 'randwrite', more })
})

nbd('mixed block sizes verify', async () => {
  const more = ['--size=64M', '--bsrange=512-256k', '--bs_unaligned=1', '--iodepth=8']
  await fio({ uri: demo.uri, rw: 'randwrite', more: [...more, '--io_size=24M'] })
})

nbd('space that is discarded comes back', async () => {
  const used = async () => (await demo.json<{ used: number }>('p1', 'volume', 'show', 'copy')).used
  const before = await used()
  assert.ok(before >= 30 * 2 ** 20, `${before}`)
  const { uri } = await demo.json<{ uri: string }>('p1', 'export', 'create', 'copy', '--nbd')
  await tool('qemu-io', '-f', 'raw', '-c', 'discard 0 32M', uri)
  assert.ok((await used()) < before / 4)
})

nbd.run()
