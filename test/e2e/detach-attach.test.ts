import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'
import { blockBytes, NbdSocket, type Outcome } from '../helpers/nbd-socket.ts'
import { pause, wake } from '../helpers/pause.ts'
import { sleep } from '../helpers/sleep.ts'

/** ESHUTDOWN, as NBD numbers it. */
const shutdownErrno = 108
const askMs = 50

const move = suite('one peer at a time')
const demo = new DemoCluster()
before(move, async () => {
  await demo.up()
})
move.after(() => demo.down())

move('a second peer is refused, told who has it, and served at once afterwards', async () => {
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x5a 0 1M', demo.uri)
  const refused = await demo.shoal('p2', 'export', 'create', 'demo', '--nbd', '--json')
  assert.is(refused.code, 5)
  const { error } = JSON.parse(refused.stdout)
  assert.is(error.data.holder, 'p1')
  assert.match(error.hint, /^on p1: shoal (detach demo|export delete \d+)$/)
  await runHint(error.hint)
  const { uri } = await demo.json<{ uri: string }>('p2', 'export', 'create', 'demo', '--nbd')
  assert.not.match(
    await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x5a 0 1M', uri),
    /verification failed/,
  )
})

/** Does what the refusal said, until the volume is free. */
async function runHint(hint: string): Promise<void> {
  const words = hint.replace(/^on p1: shoal /, '').split(' ')
  const ran = await demo.shoal('p1', ...words)
  assert.is(ran.code, 0, ran.stderr)
}

move(
  'a peer that stops answers what is in flight, and refuses the rest with ESHUTDOWN',
  async () => {
    const { uri } = await demo.json<{ uri: string }>('p2', 'export', 'create', 'demo', '--nbd')
    const client = await NbdSocket.open(uri)
    assert.ok(client)
    // Without an answer of the others a write stays in flight, however long the stop takes to begin.
    const others = ['p1', 'p3'].map(name => demo.peer(name).data_pid!)
    await pause(others)
    const written = client.write(0, Buffer.alloc(blockBytes, 0x77))
    const stopped = demo.act('stop', 'p2')
    const refusal = await firstRefusal(client)
    wake(others)
    assert.is(refusal, shutdownErrno)
    assert.equal(await written, { errno: 0, data: null })
    await stopped
    assert.is(await client.read(0), 'gone')
  },
)

/** The first error of reads that are sent again and again. */
async function firstRefusal(client: NbdSocket): Promise<number | 'gone'> {
  let found: number | 'gone' = 0
  const look = (outcome: Outcome) => {
    if (found === 0) found = outcome === 'gone' ? outcome : outcome.errno
  }
  while (found === 0) {
    void client.read(9).then(look)
    await sleep(askMs)
  }
  return found
}

move.run()
