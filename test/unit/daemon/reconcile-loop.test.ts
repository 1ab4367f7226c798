import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { planInput } from '../../../src/cluster/table-plan.ts'
import { createLog } from '../../../src/common/log.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { ReconcileLoop } from '../../../src/daemon/reconcile/loop.ts'
import type { DataPort } from '../../../src/data/client.ts'
import { ClusterPort } from '../../../src/data/cluster-port.ts'
import type { Command } from '../../../src/data/command.ts'
import { plan } from '../../../src/placement/index.ts'
import { makePg, threePeers } from '../../helpers/cluster-fixture.ts'
import { SteppedClock } from '../../helpers/stepped-clock.ts'

const loop = suite('reconcile loop')
const groups = 64
const perDisk = 4

/** Three peers and their policy, whose groups are where they should be. */
function placed(inSync: number[]) {
  const state = threePeers()
  const policy = state.policies[0]!
  policy.pg_count = groups
  policy.pgs = []
  const { width, slots, disks } = plan(planInput(state)).policies[0]!.table
  policy.pgs = Array.from({ length: groups }, (_, index) => {
    const row = [...slots.subarray(index * width, (index + 1) * width)]
    const members = row.map(slot => disks[slot] as number)
    return makePg(index, members, inSync)
  })
  return { state, policy }
}

/** A cluster whose third disk has nothing; what joins is in sync by the time of the next look. */
function lagging(accepts: boolean) {
  const clock = new SteppedClock(10)
  const { state, policy } = placed([1, 2])
  const proposed: number[] = []
  const propose = (command: Command) => {
    if (command.type !== 'pg_join') throw new Error(`it proposes ${command.type}`)
    proposed.push(clock.nowMs())
    const result = accepts ? 'done' : 'refused'
    if (accepts) for (const { pg } of command.items) policy.pgs[pg.index]!.in_sync = [1, 2, 3]
    state.index++
    return { outcome: { applied: { results: command.items.map(() => ({ result })) } } }
  }
  const data = {
    request: async (method: string, params: { command: Command }) => {
      if (method === 'state.get') return structuredClone(state)
      return method === 'propose' ? propose(params.command) : { sessions: [] }
    },
  } as unknown as DataPort
  const made = new ReconcileLoop(new ClusterPort(data, { clock, random: seededRandom(1) }), {
    clock,
    log: createLog('error'),
    limits: { joinsMax: groups, holdBackMsMax: 0, rowsMax: groups },
    intervalMs: 1_000,
    usedBytes: async () => new Map(),
    local: async () => undefined,
  })
  return { clock, proposed, made }
}

loop('while one step leads to the next it does not wait for the interval', async () => {
  const { clock, proposed, made } = lagging(true)
  made.wake()
  await clock.pass(groups * 1_000)
  made.stop()
  assert.is(proposed.length, groups / perDisk)
  const tookMs = proposed.at(-1)! - proposed[0]!
  assert.ok(tookMs < (groups / perDisk) * 200, `${tookMs} ms`)
})

loop('what is refused is tried again at the interval, not faster', async () => {
  const { clock, proposed, made } = lagging(false)
  made.wake()
  await clock.pass(10_000)
  made.stop()
  assert.ok(proposed.length >= 9 && proposed.length <= 10, `${proposed.length} proposals`)
})

/** A leader of three; counts how often it looks. */
function leading() {
  const clock = new SteppedClock(10)
  const { state } = placed([1, 2, 3])
  const sessions = [1, 2, 3].map(peer => ({ peer, state: 'live', left_ms: 900 }))
  const looks: number[] = []
  const data = {
    request: async (method: string) => {
      if (method === 'state.get') return state
      looks.push(clock.nowMs())
      return { sessions }
    },
  } as unknown as DataPort
  const made = new ReconcileLoop(new ClusterPort(data, { clock, random: seededRandom(1) }), {
    clock,
    log: createLog('error'),
    limits: { joinsMax: 1, holdBackMsMax: 0, rowsMax: 1 },
    intervalMs: 1_000,
    usedBytes: async () => new Map(),
    local: async () => undefined,
  })
  return { clock, state, sessions, looks, made }
}

loop(
  'a leader who misses nobody looks seldom; as long as somebody is away, every time',
  async () => {
    const { clock, state, sessions, looks, made } = leading()
    const looksIn = async (ms: number) => {
      const before = looks.length
      await clock.pass(ms)
      return looks.length - before
    }
    made.wake()
    await clock.pass(3_000)
    assert.is(await looksIn(30_000), 3)
    state.peers_down = [{ peer: 3, since_ms: 1 }]
    made.wake()
    await clock.pass(1_500)
    assert.is(await looksIn(10_000), 10, 'it may have to be given up')
    state.peers_down = []
    await clock.pass(3_000)
    assert.is(await looksIn(30_000), 3)
    sessions[2]!.state = 'lapsed'
    made.wake()
    assert.ok((await looksIn(2_500)) >= 2, 'whether it stays away')
    made.stop()
  },
)

loop.run()
