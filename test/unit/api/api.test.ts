import { mkdirSync, readlinkSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterState } from '../../../src/data/state.ts'
import { type ApiFixture, failure, startApi } from '../../helpers/api-fixture.ts'
import { makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'
import { PretendError } from '../../helpers/pretend-data.ts'

const api = suite<{ fixture: ApiFixture }>('api')

api.before.each(async context => {
  context.fixture = await startApi(data => {
    data.state = threePeers()
    data.selfId = 1
  })
})
api.after.each(context => context.fixture.close())

const newVolume = { name: 'db', size: 2 ** 30, policy: null, block_size: 512 as const }

api('a volume is created, shown, resized, renamed and deleted', async ({ fixture }) => {
  const made = await fixture.api.call('volume.create', { body: newVolume })
  assert.is(made.state, 'ok')
  assert.is(made.policy, 'default')
  const params = { name: 'db' }
  await fixture.api.call('volume.resize', { params, body: { size: 2 ** 31 } })
  const shown = await fixture.api.call('volume.show', { params })
  assert.is(shown.size, 2 ** 31)
  assert.is(shown.used, 8192)
  await fixture.api.call('volume.rename', { params, body: { name: 'db2' } })
  assert.equal(
    (await fixture.api.call('volume.list')).map(one => one.name),
    ['db2'],
  )
  await fixture.api.call('volume.delete', { params: { name: 'db2' } })
  assert.equal(await fixture.api.call('volume.list'), [])
})

api('what cannot be is refused, with what to do', async ({ fixture }) => {
  const create = (change: object) =>
    fixture.api.call('volume.create', { body: { ...newVolume, ...change } })
  await create({})
  assert.match((await failure(create({}), 'exists')).message, 'named db already')
  assert.is((await failure(create({ name: 'Big DB' }), 'usage')).next, 'try big-db')
  assert.match((await failure(create({ name: 'a', size: 5 }), 'bad_request')).why ?? '', '4KiB')
  assert.match(
    (await failure(create({ name: 'a', policy: 'x' }), 'not_found')).next ?? '',
    'default',
  )
  const shrink = fixture.api.call('volume.resize', {
    params: { name: 'db' },
    body: { size: 2 ** 20 },
  })
  assert.match((await failure(shrink, 'refused')).why ?? '', 'would be lost')
  await failure(fixture.api.call('volume.show', { params: { name: 'none' } }), 'not_found')
})

api('requests of another form are refused before anything happens', async ({ fixture }) => {
  for (const body of [{}, { ...newVolume, size: 'x' }, { ...newVolume, block_size: 1024 }]) {
    const error = await failure(
      fixture.api.call('volume.create', { body: body as typeof newVolume }),
      'bad_request',
    )
    assert.is(error.exit, 2)
  }
  assert.is(fixture.data.proposals.length, 0)
})

api('an export is made once, and given again', async ({ fixture }) => {
  await fixture.api.call('volume.create', { body: newVolume })
  const body = { volume: 'db', kind: 'nbd' as const }
  const first = await fixture.api.call('export.create', { body })
  assert.match(first.uri, /^nbd\+unix:\/\/\/db\?socket=\/.*\/run\/nbd\.sock$/)
  assert.equal(await fixture.api.call('export.create', { body }), first)
  const error = await failure(fixture.api.call('volume.delete', { params: { name: 'db' } }), 'busy')
  assert.is(error.next, `on p1: shoal export delete ${first.id}`)
  await fixture.api.call('export.delete', { params: { id: first.id } })
  assert.equal(await fixture.api.call('export.list'), [])
})

api('a volume that another peer has is refused, naming it and the command', async ({ fixture }) => {
  await fixture.mutate(state => state.volumes.push(attachedElsewhere()))
  const exporting = fixture.api.call('export.create', { body: { volume: 'db', kind: 'nbd' } })
  const error = await failure(exporting, 'busy')
  assert.is(error.message, 'db is attached on p2')
  assert.is(error.next, 'on p2: shoal detach db')
  const body = { volume: 'db', via: 'auto' as const, read_only: false, queues: 0 }
  assert.equal((await failure(fixture.api.call('device.attach', { body }), 'busy')).data, {
    holder: 'p2',
    generation: 1,
  })
  await failure(fixture.api.call('device.detach', { params: { volume: 'db' } }), 'busy')
  const taken = { body: { volume: 'db', kind: 'nbd' as const, takeover: true } }
  assert.is((await fixture.api.call('export.create', taken)).peer, 'p1')
})

api('attaching makes the link, detaching takes it away', async ({ fixture }) => {
  fixture.data.hasKernel = true
  await fixture.api.call('volume.create', { body: newVolume })
  const body = { volume: 'db', via: 'auto' as const, read_only: false, queues: 0 }
  const device = await fixture.api.call('device.attach', { body })
  const link = join(fixture.linkDir, 'db')
  assert.is(device.device, link)
  assert.is(readlinkSync(link), '/dev/ublkb1')
  assert.equal(await fixture.api.call('device.attach', { body }), device)
  await fixture.api.call('device.detach', { params: { volume: 'db' } })
  assert.throws(() => readlinkSync(link))
  await failure(fixture.api.call('device.detach', { params: { volume: 'db' } }), 'conflict')
})

api('the living link of another daemon is not overwritten', async ({ fixture }) => {
  fixture.data.hasKernel = true
  await fixture.api.call('volume.create', { body: newVolume })
  mkdirSync(fixture.linkDir, { recursive: true })
  symlinkSync('/dev/null', join(fixture.linkDir, 'db'))
  const body = { volume: 'db', via: 'auto' as const, read_only: false, queues: 0 }
  const error = await failure(fixture.api.call('device.attach', { body }), 'conflict')
  assert.match(error.message, 'leads to /dev/null already')
})

api(
  'a policy is placed when it is created, and kept while a volume uses it',
  async ({ fixture }) => {
    const body = {
      name: 'fast',
      copies: 2,
      min_in_sync: null,
      failure_domain: 'peer' as const,
      class: null,
      pg_count: 8,
      dry_run: false,
    }
    const dry = await fixture.api.call('policy.create', { body: { ...body, dry_run: true } })
    assert.is(dry.pg_count, 8)
    assert.is(fixture.data.proposals.length, 0)
    const made = await fixture.api.call('policy.create', { body })
    assert.is(made.state, 'ok')
    assert.is(made.min_in_sync, 1)
    const placed = fixture.data.state!.policies.find(one => one.name === 'fast')!
    assert.is(placed.pgs.length, 8)
    for (const pg of placed.pgs) assert.is(new Set(pg.members).size, 2)
    await fixture.api.call('volume.create', { body: { ...newVolume, policy: 'fast' } })
    const inUse = fixture.api.call('policy.delete', { params: { name: 'fast' } })
    assert.is((await failure(inUse, 'busy')).why, 'db')
    await failure(
      fixture.api.call('policy.create', { body: { ...body, name: 'x', min_in_sync: 3 } }),
      'bad_request',
    )
  },
)

api('a disk with something on it is refused with the way to wipe it', async ({ fixture }) => {
  fixture.data.overrides.set('disk.probe', () => ({
    size: 4096,
    kind: 'raw',
    found: { type: 'ext4' },
    refusal: 'it holds an ext4 file system',
  }))
  const body = { path: '/dev/null', size: null, class: null, wipe: false }
  const error = await failure(fixture.api.call('disk.add', { body }), 'refused')
  assert.is(error.why, 'it holds an ext4 file system')
  assert.is(
    error.next,
    'to destroy what is on it: shoal disk add /dev/null --wipe --confirm /dev/null',
  )
  const added = await fixture.api.call('disk.add', { body: { ...body, wipe: true } })
  assert.is(added.peer, 'p1')
  await failure(fixture.api.call('disk.add', { body: { ...body, path: 'rel' } }), 'bad_request')
  await failure(fixture.api.call('disk.add', { body: { ...body, path: '/none' } }), 'not_found')
})

api('removing the last copy is refused, a degraded pool needs its flag', async ({ fixture }) => {
  const params = { id: 3 }
  const error = await failure(fixture.api.call('disk.remove', { params }), 'would_lose_data')
  assert.is(error.exit, 6)
  assert.match(error.next ?? '', '--allow-degraded')
  await fixture.mutate(state => setInSync(state, [3]))
  const forced = fixture.api.call('disk.remove', { params, query: { allow_degraded: true } })
  assert.match((await failure(forced, 'would_lose_data')).message, 'last copy')
  await fixture.mutate(state => setInSync(state, [1, 2, 3]))
  const query = { allow_degraded: true }
  const removed = await fixture.api.call('disk.remove', { params, query })
  assert.is(removed.state, 'out')
})

api('the last voter and the holder of a volume are not removed', async ({ fixture }) => {
  const remove = (name: string) =>
    fixture.api.call('peer.remove', { params: { name }, query: { allow_degraded: true } })
  const others = (standing: 'in' | 'down') =>
    fixture.mutate(state => {
      for (const peer of state.peers.slice(1)) peer.state = standing
    })
  await others('down')
  assert.match((await failure(remove('p1'), 'conflict')).why ?? '', 'no other peer')
  await others('in')
  await fixture.mutate(state => state.volumes.push(attachedElsewhere()))
  assert.is((await failure(remove('p2'), 'busy')).next, 'on p2: shoal detach db')
  await fixture.mutate(state => {
    const volume = state.volumes.find(one => one.attachment?.peer === 2)!
    volume.attachment!.via = 'export'
    state.exports.push({ id: 7, volume: volume.id, peer: 2, kind: 'nbd', path: '/run/nbd.sock' })
  })
  assert.is((await failure(remove('p2'), 'busy')).next, 'on p2: shoal export delete 7')
  assert.is((await remove('p3')).state, 'out')
  await failure(remove('p9'), 'not_found')
})

api('an answer of the cluster state becomes an error that says so', async ({ fixture }) => {
  fixture.data.overrides.set('propose', () => ({
    outcome: { rejected: { code: 'limit', message: 'at most 100000 of volume', what: 'volume' } },
    index: 1,
  }))
  const error = await failure(fixture.api.call('volume.create', { body: newVolume }), 'conflict')
  assert.is(error.message, 'at most 100000 of volume')
  fixture.data.overrides.set('propose', () => {
    throw new PretendError('unavailable', 'no leader answers')
  })
  const away = await failure(fixture.api.call('volume.create', { body: newVolume }), 'unavailable')
  assert.is(away.exit, 7)
})

api('metrics, health, the description and unknown paths', async ({ fixture }) => {
  const metrics = await fixture.api.text('/metrics')
  assert.match(metrics, 'shoal_health_status 0')
  assert.match(metrics, 'shoal_pretend 1')
  assert.match(await fixture.api.text('/healthz'), 'ok')
  assert.match(await fixture.api.text('/readyz'), 'ok')
  const description = JSON.parse(await fixture.api.text('/v1/openapi.json'))
  assert.is(description.openapi, '3.1.0')
  assert.ok(description.paths['/v1/volumes/{name}'].delete)
  await failure(fixture.api.text('/v1/nothing'), 'not_found')
})

function attachedElsewhere() {
  const volume = makeVolume(1, 'db')
  volume.attachment = { peer: 2, generation: 1, via: 'ublk', read_only: false, queues: 0 }
  return volume
}

function setInSync(state: ClusterState, disks: number[]): void {
  for (const pg of state.policies[0]!.pgs) pg.in_sync = disks
}

api.run()
