import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../../src/common/config.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { makeDemoDir, readDemo, withDemoLock, writeDemo } from '../../../src/demo/demo-file.ts'
import { demoDown } from '../../../src/demo/down.ts'
import { freePorts } from '../../../src/demo/free-port.ts'
import { demoPolicy, nextCommands, peerSettings, planDemo } from '../../../src/demo/plan.ts'
import { demoUp } from '../../../src/demo/up.ts'
import { failure } from '../../helpers/api-fixture.ts'

const demo = suite('demo plan')
const request = { dir: '/d', peers: 3, disks: 1, disk_size: 2 ** 31, has_volume: true }

function ports(): () => number {
  let port = 20_000
  return () => port++
}

demo('names peers p1, p2, … each with its own directory and ports', () => {
  const planned = planDemo(request, undefined, ports())
  assert.equal(
    planned.peers.map(peer => [peer.name, peer.dir, peer.data_port, peer.gossip_port]),
    [
      ['p1', '/d/p1', 20_000, 20_001],
      ['p2', '/d/p2', 20_002, 20_003],
      ['p3', '/d/p3', 20_004, 20_005],
    ],
  )
})

demo('only grows: the same request changes nothing, a larger one adds', () => {
  const first = planDemo(request, undefined, ports())
  first.peers[0]!.id = 1
  assert.equal(planDemo(request, first, ports()), first)
  assert.equal(planDemo({ ...request, peers: 1 }, first, ports()).peers, first.peers)
  const grown = planDemo({ ...request, peers: 5 }, first, ports())
  assert.equal(grown.peers.slice(0, 3), first.peers)
  assert.is(grown.peers.length, 5)
})

demo('refuses what cannot be', () => {
  const plan = (change: object) => () => planDemo({ ...request, ...change }, undefined, ports())
  for (const change of [{ peers: 0 }, { peers: 33 }, { disks: 0 }, { peers: Number.NaN }]) {
    assert.throws(
      plan(change),
      (error: Error) =>
        error.message.includes('a demo has') || error.message.includes('of a demo has'),
    )
  }
  assert.throws(plan({ disk_size: 2 ** 22 }), /a disk cannot have 4194304 bytes/)
  assert.throws(plan({ dir: `/${'x'.repeat(100)}` }), /too deep for unix sockets/)
})

demo('has as many copies as it has places for them', () => {
  const of = (peers: number, disks: number) =>
    demoPolicy(planDemo({ ...request, peers, disks }, undefined, ports()))
  assert.equal(of(3, 1), { copies: 3, min_in_sync: 2, failure_domain: 'peer' })
  assert.equal(of(5, 1), { copies: 3, min_in_sync: 2, failure_domain: 'peer' })
  assert.equal(of(2, 4), { copies: 2, min_in_sync: 1, failure_domain: 'peer' })
  assert.equal(of(1, 3), { copies: 3, min_in_sync: 2, failure_domain: 'disk' })
  assert.equal(of(1, 1), { copies: 1, min_in_sync: 1, failure_domain: 'disk' })
})

demo('writes settings that the daemon takes', () => {
  const peer = planDemo(request, undefined, ports()).peers[1]!
  const path = join(mkdtempSync(join(tmpdir(), 'shoal-demo-')), 'shoal.toml')
  writeFileSync(path, peerSettings(peer))
  const config = loadConfig({ file: path })
  assert.is(config['peer.name'], 'p2')
  assert.is(config['net.listen'], '127.0.0.1:20002')
})

demo('is found again, and a file of something else is refused', () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-demo-'))
  assert.is(readDemo(dir), undefined)
  const planned = planDemo({ ...request, dir }, undefined, ports())
  writeDemo(planned)
  assert.equal(readDemo(dir), planned)
  for (const content of ['', '{}', '[]', 'null', '{"format":2,"peers":[]}']) {
    writeFileSync(join(dir, 'demo.json'), content)
    assert.throws(() => readDemo(dir), /no demo of this version/, content)
  }
})

demo('a file is no directory of a demo', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'shoal-demo-')), 'file')
  writeFileSync(file, '')
  assert.throws(() => makeDemoDir(file), /cannot be the directory of a demo/)
  assert.is(readDemo(file), undefined)
})

demo('one command at a time changes it; a dead holder does not keep it locked', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-demo-'))
  await withDemoLock(dir, async () => {
    await failure(
      withDemoLock(dir, async () => undefined),
      'busy',
    )
  })
  assert.not(existsSync(join(dir, 'demo.lock')))
  writeFileSync(join(dir, 'demo.lock'), '999999 1\n')
  assert.is(await withDemoLock(dir, async () => 5), 5)
})

demo('ports are different and free', async () => {
  const found = await freePorts(20, seededRandom(5))
  assert.is(new Set(found).size, 20)
  for (const port of found) assert.ok(port >= 20_000 && port < 32_000)
})

demo('says five commands to try next', () => {
  const planned = planDemo(request, undefined, ports())
  assert.is(nextCommands(planned, 'nbd+unix:///demo?socket=/x', 'shoal').length, 5)
})

demo(
  'a directory with anything else in it is refused, and what is not of a demo outlives it',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'shoal-demo-'))
    const precious = join(dir, 'notes.txt')
    writeFileSync(precious, 'mine')
    const wanted = { ...request, dir, ready_ms: 1 }
    const error = await failure(
      demoUp(wanted, () => undefined),
      'conflict',
    )
    assert.match(error.message, 'is not empty')
    assert.equal(readdirSync(dir), ['notes.txt'])
    // Put there later, beside a demo.
    writeDemo(planDemo(wanted, undefined, ports()))
    mkdirSync(join(dir, 'p1'))
    await demoDown(dir, false)
    assert.equal(readdirSync(dir), ['notes.txt'])
    rmSync(precious)
    writeDemo(planDemo(wanted, undefined, ports()))
    await demoDown(dir, false)
    assert.not(existsSync(dir))
  },
)

demo.run()
