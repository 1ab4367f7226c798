import { readdirSync, readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { before } from '../helpers/before.ts'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'
import { openClient } from '../helpers/nbd-client.ts'

const takeover = suite('take-over')
const demo = new DemoCluster()
before(takeover, async () => {
  await demo.up()
  await untilVoters()
})
takeover.after(() => demo.down())

takeover('a paused peer is refused, fenced, and changes nothing when it wakes up', async () => {
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x11 0 8M', demo.uri)
  const old = await openClient(demo.uri)
  await old.write(0, 0x22)
  const asked = await demo.shoal('p2', 'export', 'create', 'demo', '--nbd', '--json')
  assert.is(asked.code, 5, 'its lease is good')
  const refusal = JSON.parse(asked.stdout).error
  assert.is(refusal.data.holder, 'p1')
  assert.match(refusal.why, /--takeover/)
  pause('p1', 'SIGSTOP')
  await untilStopped(demo.peer('p1').data_pid!)
  try {
    const late = old.write(4096, 0x33)
    const begun = Date.now()
    const { uri } = await createAt('p2', 'demo', '--takeover')
    await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x44 0 8M', uri)
    console.log(`      writable elsewhere ${Date.now() - begun} ms after the command`)
    pause('p1', 'SIGCONT')
    assert.is(await late, false, 'what the old client wrote late is not acknowledged')
    assert.is(await old.write(8192, 0x55), false)
    old.close()
    await expectAll(uri, 0x44)
  } finally {
    pause('p1', 'SIGCONT')
  }
  await demo.waitHealthy(90_000)
  const events = await demo.json<{ code: string }[]>('p1', 'event', 'list')
  assert.ok(events.some(event => event.code === 'attachment_fenced'))
  assert.is((await demo.json<unknown[]>('p1', 'device', 'list')).length, 0, 'p1 let go of it')
})

takeover('a killed peer need not be fenced by hand once its lease is over', async () => {
  const first = await createAt('p2', 'demo')
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x66 0 8M', first.uri)
  await demo.act('kill', 'p2')
  const begun = Date.now()
  const second = await createAt('p3', 'demo')
  await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x77 0 4M', second.uri)
  const ms = Date.now() - begun
  console.log(`      writable elsewhere ${ms} ms after the kill`)
  assert.match(
    await tool('qemu-io', '-f', 'raw', '-c', 'read -P 0x66 4M 4M', second.uri),
    /^(?!.*verification failed)/s,
  )
  await demo.act('start', 'p2')
  await demo.waitHealthy(90_000)
  await expectAll(second.uri, 0x77, '4M')
})

/** Repeats while the holder's lease is good. */
async function createAt(peer: string, volume: string, ...more: string[]): Promise<{ uri: string }> {
  for (let tries = 0; tries < 60; tries++) {
    const ran = await demo.shoal(peer, 'export', 'create', volume, '--nbd', '--json', ...more)
    if (ran.code === 0) return JSON.parse(ran.stdout)
    // 5: somebody has it; 7: a leader is being elected.
    assert.ok([5, 7].includes(ran.code ?? 0), ran.stdout + ran.stderr)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  throw new Error(`${volume} was never free for ${peer}`)
}

async function expectAll(uri: string, byte: number, length = '8M'): Promise<void> {
  const read = await tool('qemu-io', '-f', 'raw', '-c', `read -P ${byte} 0 ${length}`, uri)
  assert.not.match(read, /verification failed/)
}

function pause(name: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const { pid, data_pid } = demo.peer(name)
  for (const one of [data_pid, pid]) process.kill(one!, signal)
}

/** A stop reaches the other threads only after the first one was scheduled to take it. */
async function untilStopped(pid: number): Promise<void> {
  const isStopped = (task: string) =>
    / [Tt] /.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8').replace(/\(.*\)/, ''))
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped))
    await new Promise(resolve => setTimeout(resolve, 10))
}

async function untilVoters(): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    const cluster = await demo.json<{ may_fail: number }>('p1', 'cluster', 'show')
    if (cluster.may_fail === 1) return
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  throw new Error('three voters never came')
}

takeover.run()
