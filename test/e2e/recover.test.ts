import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemRandom } from '../../src/common/random.ts'
import { freePorts } from '../../src/demo/free-port.ts'
import { apiOf, startPeer, stopPeer } from '../../src/demo/peer-process.ts'
import type { DemoPeer } from '../../src/demo/plan.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

interface Cluster {
  leader: string | null
  voters: string[]
  incarnation: number
  may_fail: number
}

const recover = suite('recover')
const demo = new DemoCluster()
let fourth: DemoPeer | undefined
before(recover, async () => {
  await demo.up()
  await until('three voters', 'p1', cluster => cluster.may_fail === 1)
})
recover.after(async () => {
  if (fourth) await stopPeer(fourth)
  await demo.down()
})

recover('any voter admits peers, also without the first one', async () => {
  const keys = ['p2', 'p3'].map(name => join(demo.peer(name).dir, 'authority.key'))
  for (let tries = 0; tries < 100 && !keys.every(key => existsSync(key)); tries++)
    await new Promise(resolve => setTimeout(resolve, 200))
  await demo.act('kill', 'p1')
  await until('another leader', 'p2', ({ leader }) => leader !== null && leader !== 'p1')
  const { token } = await demo.json<{ token: string }>('p2', 'cluster', 'token')
  const ports = await freePorts(2, systemRandom)
  const dir = join(demo.dir, 'p4')
  fourth = { name: 'p4', id: null, dir, data_port: ports[0]!, gossip_port: ports[1]! }
  await startPeer(fourth)
  const body = { token, witness: true }
  assert.is((await apiOf(fourth).call('cluster.join', { body })).peer, 'p4')
  const disk = { path: join(dir, 'disk'), size: 2 ** 28, class: null, wipe: false }
  const adding = apiOf(fourth).call('disk.add', { body: disk })
  assert.match(
    await adding.then(
      () => 'it has a disk',
      error => String(error),
    ),
    /a witness votes and stores nothing/,
  )
  const refused = await demo.shoal('p3', 'cluster', 'recover', '--confirm', 'demo', '--json')
  assert.is(refused.code, 5, 'a majority is there')
  await demo.act('start', 'p1')
  await demo.waitHealthy(90_000)
})

recover('a survivor goes on alone, and the others follow it when they come back', async () => {
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x31 0 8M', demo.uri)
  await demo.json('p1', 'export', 'delete', '1')
  await demo.act('kill', 'p2')
  await demo.act('kill', 'p3')
  await demo.waitFor(
    'nobody decides',
    status => status.reasons.some(reason => reason.code === 'no_leader'),
    30_000,
  )
  const wrong = await demo.shoal('p1', 'cluster', 'recover', '--confirm', 'other')
  assert.is.not(wrong.code, 0)
  const made = await demo.json<Cluster>('p1', 'cluster', 'recover', '--confirm', 'demo')
  assert.is(made.incarnation, 2)
  const alone = await until('it decides', 'p1', ({ leader }) => leader === 'p1')
  assert.equal(alone.voters, ['p1'])
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'cluster_recovered'))
  await demo.act('start', 'p2')
  await demo.act('start', 'p3')
  await until('all follow', 'p3', ({ incarnation }) => incarnation === 2)
  await until('three voters', 'p1', cluster => cluster.may_fail === 1)
  await demo.waitHealthy(120_000)
  const { uri } = await demo.json<{ uri: string }>('p2', 'export', 'create', 'demo', '--nbd')
  const read = await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x31 0 8M', uri)
  assert.not.match(read, /verification failed/)
})

async function until(
  what: string,
  peer: string,
  isTrue: (cluster: Cluster) => boolean,
): Promise<Cluster> {
  let last = ''
  for (let tries = 0; tries < 200; tries++) {
    const ran = await demo.shoal(peer, 'cluster', 'show', '--json')
    last = ran.stdout + ran.stderr
    if (ran.code === 0) {
      const cluster = JSON.parse(ran.stdout) as Cluster
      if (isTrue(cluster)) return cluster
    }
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  throw new Error(`${what} did not come true; last: ${last}`)
}

recover.run()
