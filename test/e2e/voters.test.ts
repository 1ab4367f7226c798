import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, fio } from '../helpers/demo-cluster.ts'
import { Load } from '../helpers/load.ts'
import { sleep } from '../helpers/sleep.ts'

interface Cluster {
  leader: string | null
  voters: string[]
  voters_down: string[]
  may_fail: number
  safety: string
}

const voters = suite('voters')
const demo = new DemoCluster()
let uri = ''
before(voters, async () => {
  await demo.up()
  await untilCluster('three voters', 'p1', cluster => cluster.may_fail === 1)
})
voters.after(() => demo.down())

voters('with the leader killed, I/O of others goes on, and another one leads', async () => {
  const { leader } = await demo.json<Cluster>('p1', 'cluster', 'show')
  const [user, other] = demo.peers.map(peer => peer.name).filter(name => name !== leader)
  await demo.json(user!, 'volume', 'create', 'db', '--size', '256MiB')
  uri = (await demo.json<{ uri: string }>(user!, 'export', 'create', 'db', '--nbd')).uri
  const load = Load.verified(uri, 9)
  await sleep(2_000)
  await demo.act('kill', leader!)
  const after = await untilCluster(
    'another leader',
    other!,
    cluster => cluster.leader !== null && cluster.leader !== leader,
  )
  assert.equal(after.voters, ['p1', 'p2', 'p3'])
  const warned = await demo.waitFor(
    'a warning about the voter',
    status => status.reasons.some(reason => reason.code === 'voter_down'),
    30_000,
    other!,
  )
  assert.is(warned.health, 'warn')
  await load.end()
  await demo.act('start', leader!)
  await demo.waitHealthy(90_000)
})

voters('with two of three killed, a head goes on until it needs a decision', async () => {
  const { peer } = await holder('db')
  const others = demo.peers.map(one => one.name).filter(name => name !== peer)
  const more = ['--size=16M', '--bs=64k', '--iodepth=4']
  await fio({ uri, rw: 'write', more })
  for (const name of others) await demo.act('kill', name)
  await demo.waitFor(
    'nobody decides',
    status => status.reasons.some(reason => reason.code === 'no_leader'),
    30_000,
    peer,
  )
  // The only copy left is in sync, but nobody may say that the others are not: reads of what is
  // here wait for that, and nothing answers wrongly meanwhile. One voter back is a majority.
  await demo.act('start', others[0]!)
  await fio({ uri, rw: 'read', more })
  await demo.act('start', others[1]!)
  await demo.waitHealthy(120_000)
  await fio({ uri, rw: 'read', more })
})

async function holder(volume: string): Promise<{ peer: string }> {
  const shown = await demo.json<{ attached: { peer: string } }>('p1', 'volume', 'show', volume)
  return shown.attached
}

async function untilCluster(
  what: string,
  peer: string,
  isTrue: (cluster: Cluster) => boolean,
): Promise<Cluster> {
  for (let tries = 0; tries < 150; tries++) {
    const cluster = await demo.json<Cluster>(peer, 'cluster', 'show')
    if (isTrue(cluster)) return cluster
    await sleep(200)
  }
  throw new Error(`${what} did not come true`)
}

voters.run()
