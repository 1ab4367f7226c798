import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { damageText, scrubProgress, scrubText, waitText } from '../../../src/cli/scrub-text.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { type ApiFixture, failure, startApi } from '../../helpers/api-fixture.ts'
import { makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'

const scrub = suite<{ fixture: ApiFixture; state: ClusterState }>('scrub')

scrub.before.each(async context => {
  context.state = threePeers()
  context.state.volumes.push(makeVolume(7, 'db', 1))
  context.fixture = await startApi(data => {
    data.state = context.state
    data.selfId = 1
  })
})
scrub.after.each(context => context.fixture.close())

const params = { name: 'db' }

function tell(
  context: { fixture: ApiFixture; state: ClusterState },
  code: string,
  subject: string,
) {
  const id = context.state.events.at(-1)!.id + 1
  const severity = 'info' as const
  context.state.events.push({ id, time_ms: id, severity, code, message: code, subject })
  context.fixture.data.changed()
}

/** The state is read again once the daemon heard of the change. */
async function until<T>(look: () => Promise<T>, isTrue: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const value = await look()
    if (isTrue(value)) return value
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('it never came true')
}

scrub('is done when every in-sync disk has answered', async context => {
  const { api } = context.fixture
  assert.is(await api.call('volume.scrubbed', { params }), null)
  const asked = await api.call('volume.scrub', { params })
  assert.is(asked.is_done, false)
  const disks = asked.disks.map(one => one.disk)
  assert.ok(disks.length >= 3)
  const numbers = 'blocks:100 bad:3 repaired:2 lost:1 postponed:0 metadata:4'
  for (const disk of disks.slice(1))
    tell(context, 'scrub_done', `scrub:${asked.id} disk:${disk} ${numbers}`)
  const query = { id: asked.id }
  const look = () => api.call('volume.scrubbed', { params, query })
  const most = await until(look, now => now?.disks.at(-1)?.result !== null)
  assert.is(most?.is_done, false)
  tell(context, 'scrub_done', `scrub:${asked.id} disk:${disks[0]} ${numbers}`)
  const done = await until(look, now => now?.is_done === true)
  assert.equal(done?.disks[0]?.result, {
    blocks: 100,
    bad: 3,
    repaired: 2,
    lost: 1,
    postponed: 0,
    metadata: 4,
  })
})

scrub('shows how far each disk is, its own and as the others told', async context => {
  const { api, peer, data } = context.fixture
  const { id, disks } = await api.call('volume.scrub', { params })
  const line = { total: 2 ** 30, eta_s: 90 }
  const own = { order: id, done: 2 ** 28, bad_blocks: 0, ...line }
  data.localDisk = { scrub: own }
  const told = { state: 'up', sent_at_ms: 1, map_epoch: 1, load_percent: 1 } as const
  const digest = { kind: 'digest' as const, ...told, control_version: '1', data_version: '1' }
  const scrubs = [{ disk: disks[1]!.disk, order: id, done: 2 ** 29, ...line }]
  peer.digested(2, { ...digest, disks: [], scrubs })
  const look = async () => (await api.call('volume.scrubbed', { params, query: { id } }))!
  const partly = await look()
  assert.equal(partly.disks[0]!.running, { done: 2 ** 28, ...line })
  assert.match(scrubText(partly), 'on p1: under way, 256MiB of 1GiB read, 1m 30s left')
  assert.match(scrubText(partly), 'on p2: under way, 512MiB of 1GiB read')
  assert.is(scrubProgress(partly), null, 'p3 told nothing yet')
  peer.digested(3, { ...digest, disks: [], scrubs: [{ ...scrubs[0]!, disk: disks[2]!.disk }] })
  assert.equal(scrubProgress(await look()), { done: 2 ** 28 + 2 * 2 ** 29, total: 3 * 2 ** 30 })
  data.localDisk = { scrub: { ...own, order: id + 1 } }
  assert.is((await look()).disks[0]!.running, null, 'another scrub comes first')
})

scrub('whoever is away is named, and still has to answer', async context => {
  const { api } = context.fixture
  context.state.peers[2]!.state = 'down'
  context.fixture.data.changed()
  const { id, is_done, disks } = await api.call('volume.scrub', { params })
  assert.is(is_done, false)
  assert.equal(
    disks.filter(one => one.is_away).map(one => one.peer),
    ['p3'],
  )
  const disksAll = disks.map(one => ({ ...one, result: null }))
  const view = { id, is_done, asked_at: '', disks: disksAll }
  assert.is(waitText(view), `waiting for disk ${disks.at(-1)!.disk} on p3, away now`)
  assert.match(scrubText(view), /on p1: under way\n.*on p3: away/s)
})

scrub('damage that is not named is counted, and it is said when somebody looked last', () => {
  const result = { blocks: 9, bad: 5, repaired: 0, lost: 5, postponed: 0, metadata: 0 }
  const disk = { disk: 1, peer: 'p1', result, running: null, is_away: false }
  const done = { id: 4, asked_at: 'then', is_done: true, disks: [disk] }
  const named = [{ offset: 8192, length: 3 * 4096 }]
  assert.equal(damageText(named, done).split('\n'), [
    'bytes 8192..20480: no good copy (12KiB)',
    'the newest scrub found 5 lost blocks, 2 more than are named here',
    'all copies were read by scrub 4 of then',
  ])
  assert.match(damageText([], null), /^no damage is known\nno scrub is on record/)
  assert.match(
    damageText([], { ...done, is_done: false, disks: [] }),
    /scrub 4 of then is not done$/,
  )
})

scrub('lost blocks are damage until a complete scrub does not find them', async context => {
  const { api } = context.fixture
  const first = await api.call('volume.scrub', { params })
  tell(context, 'block_lost', 'volume:7 blocks:4+2,9+1')
  tell(context, 'block_lost', 'volume:7 blocks:5+1')
  tell(context, 'block_lost', 'volume:71 blocks:1+1')
  const look = () => api.call('volume.damage', { params })
  const found = await until(look, ranges => ranges.length > 0)
  assert.equal(found, [
    { offset: 4 * 4096, length: 2 * 4096 },
    { offset: 9 * 4096, length: 4096 },
  ])
  const answer = (id: number) => {
    for (const { disk } of first.disks)
      tell(context, 'scrub_done', `scrub:${id} disk:${disk} blocks:1 bad:0 repaired:0 lost:0`)
  }
  answer(first.id)
  assert.equal(await look(), found, 'this scrub found them itself')
  const second = await api.call('volume.scrub', { params })
  assert.equal(await look(), found, 'not complete yet')
  answer(second.id)
  assert.equal(await until(look, ranges => ranges.length === 0), [])
})

scrub('a disk is checked by the peer that holds it', async ({ fixture, state }) => {
  const elsewhere = state.disks.find(disk => disk.peer !== 1)!
  const refused = fixture.api.call('disk.check', { params: { id: elsewhere.id } })
  await failure(refused, 'refused')
  const here = state.disks.find(disk => disk.peer === 1)!
  const check = await fixture.api.call('disk.check', { params: { id: here.id } })
  assert.equal(check, { id: 2 ** 48 + 1, running: null, result: null })
})

scrub.run()
