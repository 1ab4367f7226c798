import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ShoalError } from '../../src/common/errors.ts'
import { systemRandom } from '../../src/common/random.ts'
import { readDemo } from '../../src/demo/demo-file.ts'
import { freePorts } from '../../src/demo/free-port.ts'
import { apiOf, startPeer, stopPeer } from '../../src/demo/peer-process.ts'
import type { DemoPeer } from '../../src/demo/plan.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { runShoal } from '../helpers/run-shoal.ts'
import { sleep } from '../helpers/sleep.ts'

const stranger = suite('strangers')
const demo = new DemoCluster()
const other = new DemoCluster()
const started: DemoPeer[] = []
before(stranger, async () => {
  await demo.up('--no-volume')
  await other.up('--peers', '1', '--no-volume')
})
stranger.after(async () => {
  await Promise.all(started.map(stopPeer))
  await demo.down()
  await other.down()
})

const port = () => readDemo(demo.dir)!.peers[0]!.data_port

stranger('who speaks no TLS gets nothing back', async () => {
  const bytes = await new Promise<number>(resolve => {
    const socket = connect(port(), '127.0.0.1')
    let received = 0
    socket.on('data', chunk => {
      received += chunk[0] === 0x15 ? 0 : chunk.length
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received))
    socket.write('GET / HTTP/1.0\r\n\r\n')
  })
  assert.is(bytes, 0, 'only a TLS alert may come back')
})

stranger('who has no identity is refused in the handshake', async () => {
  const outcome = await new Promise<string>(resolve => {
    const socket = connectTls({ port: port(), host: '127.0.0.1', rejectUnauthorized: false })
    socket.on('data', () => resolve('data'))
    socket.on('error', error => resolve(error.message))
    socket.on('close', () => resolve('closed'))
  })
  assert.is.not(outcome, 'data')
})

stranger('a token works once, in its time, as it was given; who is removed stays out', async () => {
  const [first, second] = await Promise.all([newPeer('p8'), newPeer('p9')])
  const token = async (...args: string[]) =>
    (await demo.json<{ token: string }>('p1', 'cluster', 'token', ...args)).token
  const made = await token()
  const twisted = made.slice(0, -4) + (made.endsWith('aaaa') ? 'bbbb' : 'aaaa')
  assert.match(await refusal(first, twisted), /mistyped; make a new one on a member/)
  const brief = await token('--ttl', '1s')
  await sleep(1_500)
  assert.match(await refusal(first, brief), /expired/)
  assert.is((await apiOf(first).call('cluster.join', { body: { token: made } })).peer, 'p8')
  assert.match(await refusal(second, made), /used/)
  await demo.json('p1', 'peer', 'remove', 'p8', '--confirm', 'p8')
  await demo.waitFor('p8 is out', status => status.peers.every(peer => peer.name !== 'p8'), 30_000)
  await untilCutOff(first)
  assert.match(await refusal(second, made), /used/, 'also when who used it is gone')
})

stranger('a member of one cluster cannot join another without leaving', async () => {
  const made = await demo.json<{ token: string }>('p1', 'cluster', 'token')
  const ran = await runShoal(['cluster', 'join', made.token], {
    env: { SHOAL_SERVER: other.peer('p1').server },
  })
  assert.is.not(ran.code, 0)
  const peers = await demo.json<unknown[]>('p1', 'peer', 'list')
  assert.is(peers.length, 3)
})

async function newPeer(name: string): Promise<DemoPeer> {
  const ports = await freePorts(2, systemRandom)
  const dir = join(demo.dir, name)
  const peer = { name, id: null, dir, data_port: ports[0]!, gossip_port: ports[1]! }
  started.push(peer)
  await startPeer(peer)
  return peer
}

function refusal(peer: DemoPeer, token: string): Promise<string> {
  return apiOf(peer)
    .call('cluster.join', { body: { token } })
    .then(
      () => 'it was admitted',
      (thrown: ShoalError) => `${thrown.message}; ${thrown.next}`,
    )
}

async function untilCutOff(peer: DemoPeer): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { reasons } = await apiOf(peer).call('status.show')
    if (reasons.some(reason => reason.code === 'not_a_member')) return
    await sleep(200)
  }
  throw new Error('a peer that was removed does not say so')
}

stranger.run()
