import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { identifyProcess } from '../../src/common/process-identity.ts'
import { DemoCluster, type PeerInfo } from '../helpers/demo-cluster.ts'
import { runShoal, shoalPath } from '../helpers/run-shoal.ts'

const life = suite('demo life')
const demo = new DemoCluster()
life.after(() => demo.down())

life('starts three peers with a volume that clients can use', async () => {
  const up = await demo.up()
  assert.equal(
    up.peers.map(peer => [peer.name, peer.id]),
    [
      ['p1', 1],
      ['p2', 2],
      ['p3', 3],
    ],
  )
  assert.is(up.volume?.size, 2 ** 30)
  assert.match(up.volume?.uri ?? '', /^nbd\+unix:\/\/\/demo\?socket=/)
  assert.is((await demo.waitHealthy()).volumes.total, 1)
})

life('a second up changes nothing and shows the same', async () => {
  const before = demo.peers
  const again = await demo.up()
  assert.equal(again.peers, before)
})

life('any peer answers', async () => {
  for (const name of ['p1', 'p2', 'p3']) {
    const peers = await demo.json<{ name: string; state: string }[]>(name, 'peer', 'list')
    assert.equal(
      peers.map(peer => [peer.name, peer.state]),
      [
        ['p1', 'up'],
        ['p2', 'up'],
        ['p3', 'up'],
      ],
    )
  }
})

life('stop and start one peer; status names it meanwhile', async () => {
  await demo.act('stop', 'p3')
  assert.is(demo.peer('p3').pid, null)
  assert.is(demo.peer('p3').data_pid, null)
  const warned = await demo.waitFor('a warning', status => status.health === 'warn', 30_000)
  assert.ok(warned.reasons.length > 0)
  await demo.act('start', 'p3')
  await demo.waitHealthy()
})

life('SIGTERM ends a daemon orderly; nothing keeps it once it has stopped', async () => {
  await demo.act('stop', 'p3')
  const daemon = spawn(shoalPath, ['daemon', 'run', '--dir', demo.peer('p3').dir], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(daemon, 'exit')
  const stopped = lineWith(daemon.stdout, '"msg":"stopped"')
  await demo.waitHealthy()
  daemon.kill('SIGTERM')
  await stopped
  const since = performance.now()
  assert.equal(await ended, [0, null])
  // Nothing is left to do, however busy the machine: a library's timer kept it for up to 5 s once.
  assert.ok(performance.now() - since < 1_000, `${performance.now() - since} ms`)
  assert.is(identifyProcess(demo.peer('p3').data_pid ?? 0), undefined)
  await demo.act('start', 'p3')
})

life('down ends every process and removes the directory', async () => {
  const status = await runShoal(['demo', 'status', '--dir', demo.dir, '--json'])
  const peers = (JSON.parse(status.stdout) as { peers: PeerInfo[] }).peers
  const pids = peers.flatMap(peer => [peer.pid!, peer.data_pid!])
  assert.is(pids.filter(pid => identifyProcess(pid)).length, 6)
  await demo.down()
  assert.equal(
    pids.filter(pid => identifyProcess(pid)),
    [],
  )
  assert.not(existsSync(demo.dir))
})

async function lineWith(stream: Readable, text: string): Promise<void> {
  for await (const line of createInterface(stream)) if (line.includes(text)) return
  assert.unreachable(`the daemon ended without ${text}`)
}

life.run()
