import { request } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ApiClient } from '../../../src/api/client.ts'
import { type ApiFixture, failure, startApi } from '../../helpers/api-fixture.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'

const life = suite('cluster life')

life('before there is a cluster everything says how to get one', async () => {
  const fixture = await startApi()
  const error = await failure(fixture.api.call('volume.list'), 'no_cluster')
  assert.match(error.next ?? '', 'shoal cluster init')
  assert.is((await fixture.api.call('version.show')).data, '0.1.0')
  const joining = fixture.api.call('cluster.join', { body: { token: 'shoal1-x' } })
  assert.is((await failure(joining, 'refused')).message, 'the token has expired')
  await failure(fixture.api.call('cluster.init', { body: { name: 'No Name' } }), 'usage')
  const made = await fixture.api.call('cluster.init', { body: { name: 'prod' } })
  assert.is(made.peer, 'p1')
  assert.is((await fixture.api.call('cluster.show')).name, 'prod')
  const made2 = await fixture.api.call('cluster.token', { body: { ttl_ms: 1_000 } })
  assert.is(made2.expires_at, '1970-01-01T00:00:01.001Z')
  await fixture.close()
})

life('a change made elsewhere is seen as soon as the event comes', async () => {
  const fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
  })
  assert.is((await fixture.api.call('status.show')).health, 'ok')
  await fixture.mutate(state => {
    state.peers[2]!.state = 'down'
  })
  const status = await fixture.api.call('status.show')
  assert.is(status.health, 'warn')
  assert.equal(
    status.peers.map(peer => peer.state),
    ['up', 'up', 'down'],
  )
  await fixture.close()
})

life('a data process that is gone is told, not waited for', async () => {
  const fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
  })
  await fixture.data.close()
  const error = await failure(fixture.api.call('volume.list'), 'unavailable')
  assert.is(error.exit, 7)
  await failure(fixture.api.text('/readyz'), 'internal')
  assert.match(await fixture.api.text('/metrics'), 'shoal_control_connected 0')
  await fixture.close()
})

life('nobody at the socket is "unreachable"', async () => {
  const error = await failure(new ApiClient('/nowhere/x.sock').call('volume.list'), 'unreachable')
  assert.is(error.exit, 7)
  assert.match(error.why ?? '', 'nothing listens on /nowhere/x.sock')
})

life('events stream as they happen, and again from where a client was', async () => {
  const fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
    data.state.events = [event(1), event(2)]
  })
  const received: string[] = []
  const stream = follow(fixture, '1', text => received.push(text))
  await until(() => received.join('').includes('id: 2'))
  fixture.data.state!.events.push(event(3))
  fixture.data.changed()
  await until(() => received.join('').includes('id: 3'))
  const ids = [...received.join('').matchAll(/^id: (\d+)$/gm)].map(match => match[1])
  assert.equal(ids, ['2', '3'])
  stream.destroy()
  await fixture.close()
})

function event(id: number) {
  const severity = 'info' as const
  return { id, time_ms: id, severity, code: 'x', message: `event ${id}`, subject: 'peer 1' }
}

function follow(fixture: ApiFixture, lastId: string, onText: (text: string) => void) {
  const outgoing = request(
    {
      socketPath: fixture.api.socketPath,
      path: '/v1/events',
      headers: { 'last-event-id': lastId },
    },
    incoming => {
      incoming.on('data', chunk => onText(String(chunk)))
      incoming.on('error', () => undefined)
    },
  )
  outgoing.on('error', () => undefined)
  outgoing.end()
  return outgoing
}

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await new Promise(resolve => setImmediate(resolve))
}

life.run()
