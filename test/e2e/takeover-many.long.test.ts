import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'

const takeover = suite('take-over of many volumes')
const demo = new DemoCluster()
const count = 40
takeover.before(async () => {
  await demo.up()
})
takeover.after(() => demo.down())

takeover('many volumes of a killed peer are taken over together', async () => {
  const names = Array.from({ length: count }, (_, at) => `many${at}`)
  for (const name of names) await demo.json('p1', 'volume', 'create', name, '--size', '16MiB')
  for (const name of names) await createAt('p1', name)
  await demo.act('kill', 'p1')
  for (const name of names) {
    const { uri } = await createAt('p2', name)
    await tool('qemu-io', '-f', 'raw', '-c', 'write -P 0x12 0 1M', uri)
  }
  await demo.act('start', 'p1')
  await demo.waitHealthy(90_000)
})

/** Repeats while the holder's lease is good. */
async function createAt(peer: string, volume: string): Promise<{ uri: string }> {
  for (let tries = 0; tries < 60; tries++) {
    const ran = await demo.shoal(peer, 'export', 'create', volume, '--nbd', '--json')
    if (ran.code === 0) return JSON.parse(ran.stdout)
    // 5: somebody has it; 7: a leader is being elected.
    assert.ok([5, 7].includes(ran.code ?? 0), ran.stdout + ran.stderr)
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  throw new Error(`${volume} was never free for ${peer}`)
}

takeover.run()
