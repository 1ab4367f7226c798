import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seededRandom } from '../../../src/common/random.ts'
import type { DataPort } from '../../../src/data/client.ts'
import { ClusterPort, rejectionError } from '../../../src/data/cluster-port.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'
import { SteppedClock } from '../../helpers/stepped-clock.ts'

const port = suite('cluster port')

/** A data process whose state has this tag, or none. */
function makePort(now: { tag: string | undefined }) {
  const asked: unknown[] = []
  const request = async (_: string, params: { known?: string }) => {
    asked.push(params)
    if (now.tag === undefined) return threePeers()
    if (params.known === now.tag) return { tag: now.tag, unchanged: true }
    return { ...threePeers(), tag: now.tag }
  }
  const data = { request } as unknown as DataPort
  const init = { clock: new SteppedClock(), random: seededRandom(1) }
  return { asked, cluster: new ClusterPort(data, init) }
}

port('what is known already is not sent again, and not made anew', async () => {
  const now = { tag: 'a' }
  const { asked, cluster } = makePort(now)
  const first = await cluster.state()
  cluster.invalidate()
  assert.is(await cluster.state(), first)
  now.tag = 'b'
  assert.is(await cluster.state(), first, 'nobody told, and it is young')
  cluster.invalidate()
  const second = await cluster.state()
  assert.is(second.tag, 'b')
  cluster.invalidate()
  assert.is(await cluster.state(), second)
  assert.equal(asked, [{}, { known: 'a' }, { known: 'a' }, { known: 'b' }])
})

port('a data process that knows no tags is asked for everything', async () => {
  const { asked, cluster } = makePort({ tag: undefined })
  for (let times = 0; times < 2; times++) {
    assert.is((await cluster.state()).name, threePeers().name)
    cluster.invalidate()
  }
  assert.equal(asked, [{}, {}])
})

port('a refused promotion names the disk, and what to do', () => {
  const message = 'pg1.0 has a copy in sync on disk 3, which peer 2 is there to serve'
  const error = rejectionError({ code: 'served', message, disk: 3, peer: 2 })
  assert.is(error.code, 'would_lose_data')
  assert.is(error.message, message)
  assert.match(error.next ?? '', /shoal disk undrain 3 /)
})

port.run()
