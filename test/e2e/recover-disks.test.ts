// All peers lose their directories at once, as when they lay on one system disk of their own each.
// The data disks are left, and everything is there again.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio, tool } from '../helpers/demo-cluster.ts'

interface Restored {
  name: string
  incarnation: number
  volumes: number
  disks: { disk: number; peer: string; found_at: string | null }[]
  unreadable: string[]
}

/** Stores keep the state every two seconds. */
const keptMs = 5_000
const names = ['p1', 'p2', 'p3']

const recover = suite('recover from disks')
const demo = new DemoCluster()
before(recover, async () => {
  await demo.up()
})
recover.after(() => demo.down())

const diskOf = (name: string) => join(demo.peer(name).dir, 'disks', 'disk1')
const verify = ['--bs=64k', '--size=24M', '--offset=16M']

let keyFile = ''

recover('peers are killed, and everything but their disks is deleted', async () => {
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x31 0 8M', demo.uri)
  await fio({ uri: demo.uri, rw: 'randwrite', more: [...verify, '--do_verify=0'] })
  await new Promise(resolve => setTimeout(resolve, keptMs))
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x32 8M 1M', demo.uri)
  keyFile = readFileSync(join(demo.peer('p1').dir, 'authority.key'), 'utf8')
  const peers = names.map(name => demo.peer(name))
  for (const pid of peers.flatMap(peer => [peer.pid!, peer.data_pid!])) process.kill(pid, 'SIGKILL')
  await new Promise(resolve => setTimeout(resolve, 500))
  for (const name of names) {
    const { dir } = demo.peer(name)
    for (const entry of readdirSync(dir).filter(one => one !== 'disks'))
      rmSync(join(dir, entry), { recursive: true })
    await demo.act('start', name)
  }
  const lost = await demo.shoal('p2', 'cluster', 'show', '--json')
  assert.match(lost.stdout + lost.stderr, /no_cluster/)
})

recover('no secret lies on the disks', async () => {
  const text = keyFile.trim().split(' ').at(-1)!
  const seed = Buffer.from(text, 'base64url').subarray(0, 32)
  assert.is(seed.length, 32, 'the form of the key file')
  const start = await startOf(diskOf('p1'))
  assert.ok(start.includes('SHOAL\x01MP'), 'the state is there')
  assert.not.ok(start.includes(seed))
  assert.not.ok(start.includes(seed.toString('hex')))
  assert.not.ok(start.includes(text.slice(0, 40)))
})

recover('a peer begins anew from its disk alone, once it is told so', async () => {
  const from = ['cluster', 'recover', '--from-disks', diskOf('p2')]
  const shown = await demo.json<Restored>('p2', ...from, '--dry-run')
  assert.is(shown.name, 'demo')
  assert.is(shown.volumes, 1)
  assert.equal(shown.disks.map(disk => [disk.peer, disk.found_at !== null]).sort(), [
    ['p1', false],
    ['p2', true],
    ['p3', false],
  ])
  const nothing = await demo.shoal('p2', 'cluster', 'recover', '--from-disks', '/dev/null')
  assert.is.not(nothing.code, 0)
  const wrong = await demo.shoal('p2', ...from, '--confirm', 'other')
  assert.is.not(wrong.code, 0)
  assert.is.not((await demo.shoal('p2', 'cluster', 'show')).code, 0, 'nothing was changed')
  const made = await demo.json<Restored>('p2', ...from, '--confirm', 'demo')
  assert.is(made.incarnation, 2)
  const again = await demo.shoal('p2', ...from, '--dry-run')
  assert.match(again.stderr, /belongs to a cluster/)
  const { reasons } = await demo.status('p2')
  const missing = reasons.filter(reason => reason.code === 'disk_missing')
  assert.is(missing.length, 2)
})

recover('the others join and bring their disks, and nothing is lost', async () => {
  for (const name of ['p1', 'p3']) {
    const { token } = await demo.json<{ token: string }>('p2', 'cluster', 'token')
    await demo.json(name, 'cluster', 'join', token)
    const plain = await demo.shoal(name, 'disk', 'add', diskOf(name))
    assert.is.not(plain.code, 0, 'what is on it is not destroyed')
    await demo.json(name, 'disk', 'add', diskOf(name), '--existing')
  }
  const twice = await demo.shoal('p3', 'disk', 'add', diskOf('p3'), '--existing')
  assert.is.not(twice.code, 0)
  const status = await demo.waitFor('health ok', one => one.health === 'ok', 90_000, 'p2')
  assert.equal(status.peers.map(peer => peer.name).sort(), names, 'the lost ones are forgotten')
  const { uri } = await demo.json<{ uri: string }>('p3', 'export', 'create', 'demo', '--nbd')
  const read = await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x31 0 8M', uri)
  assert.not.match(read, /verification failed/)
  const late = await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x32 8M 1M', uri)
  assert.not.match(late, /verification failed/)
  await fio({ uri, rw: 'randread', more: verify })
  await fio({ uri, rw: 'randwrite', more: [...verify, '--randseed=8'] })
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  for (const code of ['cluster_recovered', 'disks_returned'])
    assert.ok(
      events.some(event => event.code === code),
      code,
    )
})

/** Superblock, roots, logs and the slots of the state; far behind them data begins. */
async function startOf(path: string): Promise<Buffer> {
  const file = await open(path)
  try {
    const bytes = Buffer.alloc(64 * 2 ** 20)
    await file.read(bytes, 0, bytes.length, 0)
    return bytes
  } finally {
    await file.close()
  }
}

recover.run()
