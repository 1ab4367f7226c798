// How long a client waits when something happens to the cluster: a demo of three peers on this
// machine, fio through NBD, the longest write of each trial. `bin/with-node test/bench/stalls.ts 5`
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ApiClient } from '../../src/api/client.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'

const trials = Number(process.argv[2] ?? 3)
const seconds = 10
const settleMs = 3_000
const demo = new DemoCluster()

interface Case {
  name: string
  /** Which peer it happens to; the load is served by another one. */
  victim: (leader: string) => string
  act: 'kill' | 'stop' | null
}

const cases: Case[] = [
  { name: 'nothing happens', victim: () => '', act: null },
  { name: 'a member that does not lead is killed', victim: notLeading, act: 'kill' },
  { name: 'the leader, which holds a copy, is killed', victim: leader => leader, act: 'kill' },
  { name: 'a member that does not lead stops in order', victim: notLeading, act: 'stop' },
  { name: 'the leader stops in order', victim: leader => leader, act: 'stop' },
]

async function main(): Promise<void> {
  await demo.up()
  await demo.json('p1', 'volume', 'create', 'load', '--size', '256MiB')
  console.log('| | longest write of each trial, ms |\n|---|---|')
  for (const one of cases) {
    const longest: number[] = []
    for (let trial = 0; trial < trials; trial++) longest.push(await measure(one))
    console.log(`| ${one.name} | ${longest.sort((a, b) => a - b).join(', ')} |`)
  }
  const moves: number[] = []
  for (let trial = 0; trial < 4 * trials; trial++) moves.push(await moveHead(trial))
  console.log(`| a head moves in order | ${moves.sort((a, b) => a - b).join(', ')} |`)
}

async function measure({ victim, act }: Case): Promise<number> {
  await demo.waitHealthy(120_000)
  const leader = await leaderName()
  const target = victim(leader)
  const user = demo.peers.map(peer => peer.name).find(name => name !== target && name !== leader)
  const made = await demo.json<{ id: number; uri: string }>(user!, 'export', 'create', 'load')
  const load = startLoad(made.uri)
  await sleep(settleMs)
  if (act) await demo.act(act, target)
  const longest = await load
  await demo.json(user!, 'export', 'delete', String(made.id), '--force')
  if (act) await demo.act('start', target)
  return longest
}

async function startLoad(uri: string): Promise<number> {
  const settings = [
    ...['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--rw=randwrite', '--bs=4k'],
    ...['--iodepth=4', '--size=64M', '--time_based=1', `--runtime=${seconds}`],
    ...['--output-format=json', '--randseed=7'],
  ]
  const fio = spawn('fio', settings, { stdio: ['ignore', 'pipe', 'ignore'] })
  let out = ''
  fio.stdout.on('data', chunk => {
    out += chunk
  })
  await once(fio, 'close')
  const [job] = JSON.parse(out.slice(out.indexOf('{'))).jobs
  if (job.error !== 0) throw new Error('fio saw an error')
  return Math.round(job.write.clat_ns.max / 1e6)
}

/** From the request at the next peer until its head serves, in ms; the last one gave it back. */
async function moveHead(turn: number): Promise<number> {
  const names = ['p1', 'p2', 'p3']
  const api = apiOf(names[turn % 3]!)
  const begun = performance.now()
  const made = await api.call('export.create', { body: { volume: 'load', kind: 'nbd' } })
  for (;;) {
    const served = await api.call('device.list')
    if (served.some(one => one.volume === 'load' && one.state === 'active')) break
  }
  const ms = performance.now() - begun
  await api.call('export.delete', { params: { id: made.id }, query: { force: true } })
  return Math.round(ms)
}

function apiOf(name: string): ApiClient {
  return new ApiClient(demo.peer(name).server.replace(/^unix:/, ''))
}

async function leaderName(): Promise<string> {
  for (;;) {
    const { leader } = await demo.json<{ leader: string | null }>('p2', 'cluster', 'show')
    if (leader) return leader
    await sleep(200)
  }
}

function notLeading(leader: string): string {
  return ['p1', 'p2', 'p3'].find(name => name !== leader)!
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

try {
  await main()
} finally {
  await demo.down()
}
