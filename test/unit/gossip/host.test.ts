import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Clock, systemClock } from '../../../src/common/clock.ts'
import { createLog } from '../../../src/common/log.ts'
import { seededRandom, systemRandom } from '../../../src/common/random.ts'
import { freePorts } from '../../../src/demo/free-port.ts'
import { GossipHost, type GossipView } from '../../../src/gossip/gossip-host.ts'
import { clusterId, digestOf, eventually, identityOf, keyFileOf } from './world.ts'

const host = suite('gossip host')

interface Hosted {
  host: GossipHost
  keyPath: string
  faults: string[]
  heard: number[]
  /** Skips the wait before a start is tried again. */
  hurry: () => void
}

function makeHost(dir: string, number: number, port: number): Hosted {
  const keyPath = join(dir, `${number}.key`)
  const faults: string[] = []
  const log = createLog('error')
  log.error = (_: unknown, message?: string) => faults.push(message ?? '')
  let skippedMs = 0
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
  }
  const found = new GossipHost({
    identityPath: keyPath,
    listen: `127.0.0.1:${port}`,
    version: '0.1.0',
    times: { digestMs: 5_000, syncMs: 1_000, downAfterMs: 600_000 },
    ...{ clock, random: seededRandom(number), log },
  })
  const heard: number[] = []
  found.onDigest((_, digest) => heard.push(digest.sent_at_ms))
  const hurry = () => {
    skippedMs += 10_000
  }
  return { host: found, keyPath, faults, heard, hurry }
}

function viewOf(self: number, ports: readonly number[]): GossipView {
  const members = ports.map((port, index) => ({
    peer: index + 1,
    publicKey: Buffer.from(identityOf(index + 1).publicKey).toString('hex'),
    addresses: [`127.0.0.1:${port}`],
  }))
  return { clusterId, self, mapEpoch: 1, leads: false, members }
}

async function inDirectory(work: (dir: string, ports: number[]) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-gossip-'))
  try {
    await work(dir, await freePorts(2, systemRandom))
  } finally {
    rmSync(dir, { recursive: true })
  }
}

host('members find each other, one leaves and comes back', async () => {
  await inDirectory(async (dir, ports) => {
    const hosts = [1, 2].map(number => makeHost(dir, number, ports[number - 1]!))
    const [one, two] = hosts as [Hosted, Hosted]
    for (const [index, { keyPath }] of hosts.entries())
      writeFileSync(keyPath, keyFileOf(index + 1), { mode: 0o600 })
    const isUp = () => [one, two].every(each => each.host.peers()[0]?.presence === 'up')
    one.host.update(viewOf(1, ports))
    two.host.update(viewOf(2, ports))
    await eventually('both are up', isUp)
    two.host.publishDigest(digestOf(5))
    await eventually('a digest', () => one.heard.includes(5))
    two.host.update(null)
    await eventually('it is gone', () => one.host.peers()[0]?.presence === 'down')
    assert.equal(two.host.peers(), [])
    two.host.publishDigest(digestOf(6))
    await eventually('it is back', () => {
      two.host.update(viewOf(2, ports))
      return isUp()
    })
    assert.equal([...one.faults, ...two.faults], [])
    await Promise.all(hosts.map(each => each.host.stop()))
  })
})

host('what keeps gossip from running is logged and tried again', async () => {
  await inDirectory(async (dir, ports) => {
    const found = makeHost(dir, 1, ports[0]!)
    const view = viewOf(1, ports)
    const blocker = await occupy(ports[0]!)
    const fails = async (expected: string) => {
      const before = found.faults.length
      found.host.update(view)
      await eventually(expected, () => found.faults.length > before)
      assert.match(found.faults.at(-1)!, expected)
      assert.equal(found.host.peers(), [])
      // At once nothing is tried again.
      found.host.update(view)
      assert.is(found.faults.length, before + 1)
      found.hurry()
    }
    await fails('there is no identity')
    writeFileSync(found.keyPath, 'x', { mode: 0o600 })
    await fails('is damaged')
    writeFileSync(found.keyPath, keyFileOf(1))
    await fails('')
    await new Promise(resolve => blocker.close(resolve))
    await eventually('it runs', () => {
      found.host.update(view)
      return found.host.peers().length === 1
    })
    await found.host.stop()
    found.host.update(view)
    assert.equal(found.host.peers(), [])
    await found.host.stop()
    assert.equal(found.host.peers(), [])
  })
})

function occupy(port: number): Promise<Server> {
  return new Promise(resolve => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
  })
}

host.run()
