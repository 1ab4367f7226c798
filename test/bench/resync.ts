// What it costs to bring a peer up to date that was away while part of a volume changed: the time by
// what changed, and what clients wait for meanwhile. `bin/with-node test/bench/resync.ts`
import { DemoCluster, type StatusResult, tool } from '../helpers/demo-cluster.ts'
import { Load, type WriteLatency } from '../helpers/load.ts'

const volumeMiB = 1024
const percents = [1, 5, 25]
const loadSeconds = 10
/** Clients write meanwhile, in the first 64 MiB: enough is to be copied beyond it. */
const underLoadPercent = 50
const demo = new DemoCluster()

interface Resync {
  seconds: number
  /** That the store which came back wrote to its disk. */
  writtenMiB: number
}

async function main(): Promise<void> {
  await demo.up('--disk-size', '3GiB', '--fill-disks')
  await fio('--rw=write', '--bs=1M', `--size=${volumeMiB}M`)
  console.log(`${volumeMiB} MiB written, three peers; one is away while blocks of 4 KiB change`)
  for (const percent of percents) {
    await away(percent)
    const { seconds, writtenMiB } = await back()
    console.log(`${percent} % changed: up to date after ${seconds} s, ${writtenMiB} MiB written`)
  }
  const quiet = await latency()
  await away(underLoadPercent)
  await demo.act('start', 'p3')
  await demo.waitFor('a resync', status => status.tasks.some(isResync), 60_000, 'p3')
  const meanwhile = await latency()
  const isOver = (await demo.status()).health === 'ok'
  console.log(`writes of 4 KiB, 4 in flight: p99 ${quiet.p99Ms} ms, most ${quiet.maxMs} ms`)
  console.log(
    `while ${underLoadPercent} % are copied${isOver ? ' (over before the end)' : ''}: p99 ` +
      `${meanwhile.p99Ms} ms, most ${meanwhile.maxMs} ms`,
  )
}

/** p3 is killed, and so much of the volume changes. */
async function away(percent: number): Promise<void> {
  await demo.waitHealthy(300_000)
  await demo.act('kill', 'p3')
  await demo.waitFor('p3 lost', isAway, 60_000)
  const changed = Math.round((volumeMiB * percent) / 100)
  await fio(
    '--rw=randwrite',
    '--bs=4k',
    '--iodepth=32',
    `--size=${volumeMiB}M`,
    `--io_size=${changed}M`,
  )
}

async function back(): Promise<Resync> {
  await demo.act('start', 'p3')
  const begun = performance.now()
  await demo.waitHealthy(300_000)
  const seconds = Math.round((performance.now() - begun) / 100) / 10
  const disks = await demo.json<{ id: number; peer: string }[]>('p3', 'disk', 'list')
  const own = disks.find(disk => disk.peer === 'p3')!
  const shown = await demo.json<{ stats: Record<string, number> }>(
    'p3',
    'disk',
    'show',
    String(own.id),
  )
  const { committed_bytes = 0, direct_bytes = 0 } = shown.stats
  return { seconds, writtenMiB: Math.round((committed_bytes + direct_bytes) / 2 ** 20) }
}

function latency(): Promise<WriteLatency> {
  return Load.writes(demo.uri, loadSeconds).latency()
}

function fio(...settings: string[]): Promise<string> {
  return tool('fio', '--name=bench', '--ioengine=nbd', `--uri=${demo.uri}`, ...settings)
}

function isAway(status: StatusResult): boolean {
  return status.peers.some(peer => peer.name === 'p3' && peer.state === 'down')
}

function isResync(task: { kind: string }): boolean {
  return task.kind === 'resync'
}

await main().finally(() => demo.down())
