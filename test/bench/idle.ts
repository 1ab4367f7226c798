// What peers use while nobody asks anything of them: CPU of both processes of each peer of a demo, in
// percent of a core. `bin/with-node test/bench/idle.ts PEERS SECONDS [SECONDS BEFORE]`
import { readFileSync } from 'node:fs'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { sleep } from '../helpers/sleep.ts'

const peers = process.argv[2] ?? '3'
const seconds = Number(process.argv[3] ?? 60)
/** Copies, connections, voters and the memory of Node have come to rest by then. */
const settleSeconds = Number(process.argv[4] ?? 240)
/** Of /proc/PID/stat. */
const ticksPerSecond = 100
const demo = new DemoCluster()

async function main(): Promise<void> {
  await demo.up('--peers', peers, '--disk-size', '128MiB')
  await demo.waitHealthy(300_000)
  await sleep(settleSeconds * 1000)
  const before = demo.peers.map(ticksOf)
  await sleep(seconds * 1000)
  const percent = (ticks: number) => (100 * ticks) / ticksPerSecond / seconds
  const used = demo.peers.map((peer, i) => {
    const [control, data] = ticksOf(peer)
    const [wasControl, wasData] = before[i]!
    return { control: percent(control - wasControl), data: percent(data - wasData) }
  })
  const sum = (one: { control: number; data: number }) => one.control + one.data
  const sums = used.map(sum).sort((a, b) => a - b)
  const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)]!
  const load = readFileSync('/proc/loadavg', 'utf8').split(' ')[0]
  console.log(
    `${peers} peers, ${seconds} s, percent of a core for each: control ` +
      `${median(used.map(one => one.control)).toFixed(2)} and data ` +
      `${median(used.map(one => one.data)).toFixed(2)} in the middle, both together ` +
      `${sums[0]!.toFixed(2)} to ${sums.at(-1)!.toFixed(2)}; load of the machine ${load}`,
  )
}

function ticksOf({ pid, data_pid }: (typeof demo.peers)[number]): [number, number] {
  return [ticks(pid), ticks(data_pid)]
}

function ticks(pid: number | null): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

await main().finally(() => demo.down())
