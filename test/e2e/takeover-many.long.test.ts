// A thousand volumes of one peer: taken over together when it is killed, served again after a
// restart of all, and what they cost meanwhile. SHOAL_VOLUMES chooses how many.
import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ApiClient } from '../../src/api/client.ts'
import { exportAt, retried } from '../helpers/api.ts'
import { before } from '../helpers/before.ts'
import { History } from '../helpers/history.ts'
import { NbdSocket } from '../helpers/nbd-socket.ts'
import { NetCluster } from '../helpers/net-cluster.ts'
import { sleep } from '../helpers/sleep.ts'

const count = Number(process.env.SHOAL_VOLUMES ?? 1_000)
const width = 16
const limitMs = 600_000
const idleMs = 10_000
const ticksPerSecond = 100

const takeover = suite('take-over of many volumes')
// A small disk has room for the tables of some hundred volumes only.
const net = new NetCluster({ peers: 3, diskBytes: 2 * 2 ** 30 })
const history = new History()
const names = Array.from({ length: count }, (_, at) => `many${at}`)
before(takeover, () => net.up())
takeover.after(() => net.down())

takeover('many volumes of a killed peer are taken over together', async () => {
  const [first, second] = [net.peer('p1').api, net.peer('p2').api]
  await timed('created', () =>
    eachOf(async name => {
      const body = { name, size: 2 ** 22, policy: 'default', block_size: 4096 } as const
      await retried(limitMs, () => first.call('volume.create', { body }))
    }),
  )
  await timed('exported and written', () => eachOf((name, at) => serveAndWrite(first, name, at)))
  await tellCost()
  await net.kill('p1')
  await timed('writable elsewhere after the kill', () =>
    eachOf((name, at) => serveAndWrite(second, name, at)),
  )
  await net.start('p1')
  await net.waitHealthy(limitMs)
})

takeover('they are served again after the death of all', async () => {
  await Promise.all(net.names.map(name => net.kill(name)))
  const second = net.peer('p2').api
  await timed('writable after a restart of all', async () => {
    await Promise.all(net.names.map(name => net.start(name)))
    await eachOf((name, at) => serveAndWrite(second, name, at))
  })
  await net.waitHealthy(limitMs)
  const verdict = await history.expectLinearizable()
  assert.is(verdict.blocks, count)
  await tellCost()
})

/** Also reads what was there: it is in the history. */
async function serveAndWrite(api: ApiClient, volume: string, at: number): Promise<void> {
  const { uri } = await exportAt(api, volume, { limitMs })
  const end = Date.now() + limitMs
  for (;;) {
    const socket = await NbdSocket.open(uri)
    if (socket) {
      const client = history.client(socket, at)
      const isDone = (await client.read(0)) !== null && (await client.write(0))
      socket.close()
      if (isDone) return
    }
    assert.ok(Date.now() < end, `${volume} did not answer`)
    await sleep(100)
  }
}

async function eachOf(act: (name: string, at: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < names.length) {
      const at = next++
      await act(names[at]!, at)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
}

async function timed(what: string, act: () => Promise<void>): Promise<void> {
  const begun = Date.now()
  await act()
  console.log(`      ${count} volumes ${what}: ${Date.now() - begun} ms`)
}

/** Memory of each process, and the share of a core that it uses while nothing happens. */
async function tellCost(): Promise<void> {
  const before = net.names.map(usage)
  await sleep(idleMs)
  for (const [at, name] of net.names.entries()) {
    const after = usage(name)
    for (const part of ['control', 'data'] as const) {
      const ticks = after[part].ticks - before[at]![part].ticks
      const share = ((100 * ticks) / ticksPerSecond / (idleMs / 1_000)).toFixed(1)
      console.log(`      ${name} ${part}: ${after[part].mib} MiB, idle ${share} % of a core`)
    }
  }
}

function usage(name: string) {
  const { control, data } = net.pids(name)
  return { control: usageOf(control!), data: usageOf(data!) }
}

function usageOf(pid: number): { mib: number; ticks: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const mib = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024)
  return { mib, ticks: Number(stat[11]) + Number(stat[12]) }
}

takeover.run()
