// How long a volume is not served when the data process of its peer is killed: from kill -9 to the first
// read that the next process answers, over NBD. A ublk device waits for the same, and for some commands
// to the kernel. `bin/with-node test/bench/restart.ts TRIALS [p1]`
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'
import { NbdSocket } from '../helpers/nbd-socket.ts'
import { sleep } from '../helpers/sleep.ts'

const trials = Number(process.argv[2] ?? 10)
/** p1 founded the cluster, and leads it as a rule. */
const name = process.argv[3] ?? 'p1'
const settleMs = 3_000
const askMs = 5
const demo = new DemoCluster()

async function main(): Promise<void> {
  await demo.up('--fill-disks')
  await demo.json('p1', 'export', 'delete', '1', '--force')
  await demo.json('p1', 'detach', 'demo').catch(() => undefined)
  const { uri } = await demo.json<{ uri: string }>(name, 'export', 'create', 'demo', '--nbd')
  await tool(
    'fio',
    '--name=fill',
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--rw=write',
    '--bs=1M',
    '--size=128M',
  )
  const took: number[] = []
  for (let trial = 0; trial < trials; trial++) {
    await demo.waitHealthy(120_000)
    await sleep(settleMs)
    took.push(await restart(uri))
  }
  took.sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))]
  console.log(`${name}: ${trials} times, ms: median ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`)
}

async function restart(uri: string): Promise<number> {
  const pid = Number.parseInt(readFileSync(join(demo.peer(name).dir, 'run/data.pid'), 'utf8'), 10)
  const begun = performance.now()
  process.kill(pid, 'SIGKILL')
  for (;;) {
    const client = await NbdSocket.open(uri).catch(() => null)
    const outcome = await client?.read(0)
    client?.close()
    if (outcome && outcome !== 'gone' && outcome.errno === 0)
      return Math.round(performance.now() - begun)
    await sleep(askMs)
  }
}

await main().finally(() => demo.down())
