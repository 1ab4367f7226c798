import { mkdtempSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readDemo } from '../../src/demo/demo-file.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { runShoal } from '../helpers/run-shoal.ts'

const stranger = suite('strangers')
const demo = new DemoCluster()
const other = new DemoCluster()
stranger.before(async () => {
  await demo.up('--no-volume')
  await other.up('--peers', '1', '--no-volume')
})
stranger.after(async () => {
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

stranger('a token works once, and not when it is mistyped', async () => {
  const made = await demo.json<{ token: string }>('p1', 'cluster', 'token')
  const dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-join-'))
  assert.ok(dir)
  const twisted = made.token.slice(0, -4) + (made.token.endsWith('aaaa') ? 'bbbb' : 'aaaa')
  const join1 = await runShoal(['cluster', 'join', twisted, '--json'], {
    env: { SHOAL_SERVER: other.peer('p1').server },
  })
  assert.is.not(join1.code, 0)
  assert.match(join1.stderr, /^error: /)
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

stranger.run()
