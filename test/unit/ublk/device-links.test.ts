// /dev/shoal belongs to all daemons of a machine: each keeps its own links right, and those of the
// others as they are.
import { mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterPort } from '../../../src/data/cluster-port.ts'
import type { ServedDevice } from '../../../src/data/protocol.ts'
import { Devices } from '../../../src/ublk/devices.ts'
import { DeviceLinks } from '../../../src/ublk/links.ts'

const links = suite('links of devices')
let dir: string
links.before.each(() => {
  dir = mkdtempSync(join(tmpdir(), 'shoal-links-'))
})
links.after.each(() => rmSync(dir, { recursive: true, force: true }))

function device(name: string): string {
  const path = join(dir, name)
  writeFileSync(path, '')
  return path
}

async function sync(served: Pick<ServedDevice, 'volume' | 'path' | 'state'>[]): Promise<void> {
  const answer = served.map(one => ({ kind: 'ublk', reason: null, ...one }))
  const data = { request: () => Promise.resolve(answer) }
  const devices = new Devices({
    cluster: { data } as unknown as ClusterPort,
    links: new DeviceLinks(dir),
    selfId: () => 1,
    loadDriver: () => Promise.resolve(),
  })
  await devices.syncLinks()
}

const target = (volume: string) => readlinkSync(join(dir, volume))

links(
  'a daemon that starts links what it serves, also over a link that leads nowhere',
  async () => {
    symlinkSync(join(dir, 'gone'), join(dir, 'db'))
    const path = device('ublkb0')
    await sync([{ volume: 'db', path, state: 'active' }])
    assert.is(target('db'), path)
  },
)

links('a fenced device that comes back does not take the link of the one that serves', async () => {
  const [fenced, newer] = [device('ublkb0'), device('ublkb1')]
  symlinkSync(newer, join(dir, 'db'))
  await sync([{ volume: 'db', path: fenced, state: 'fenced' }])
  assert.is(target('db'), newer)
})

links('a renamed volume leaves its old link', async () => {
  const path = device('ublkb0')
  symlinkSync(path, join(dir, 'old'))
  await sync([{ volume: 'new', path, state: 'active' }])
  assert.is(target('new'), path)
  assert.throws(() => target('old'), /ENOENT/)
})

links.run()
