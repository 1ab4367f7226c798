// The short form of command-kills.long.test.ts: a disk that is being added when its peer dies.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { peerPaths } from '../../src/common/paths.ts'
import { before } from '../helpers/before.ts'
import { DemoCluster } from '../helpers/demo-cluster.ts'
import { sleep } from '../helpers/sleep.ts'

const halfMade = suite('half made')
const demo = new DemoCluster()
before(halfMade, async () => {
  await demo.up('--peers', '1', '--no-volume')
})
halfMade.after(() => demo.down())

halfMade('a disk that was being added when all was killed is one disk in the end', async () => {
  const { dir, data_pid } = demo.peer('p1')
  const path = join(peerPaths(dir).diskDir, 'late')
  const add = () => demo.shoal('p1', 'disk', 'add', path, '--size', '256MiB', '--json')
  const cut = add()
  while (!begun(dir).includes(path)) await sleep(1)
  // Between the cluster's word and the list of disks, or shortly after.
  process.kill(data_pid!, 'SIGKILL')
  await demo.act('kill', 'p1')
  await cut
  await demo.act('start', 'p1')
  const again = await add()
  assert.ok([0, 5].includes(again.code ?? -1), again.stdout + again.stderr)
  await demo.waitHealthy()
  const disks = await demo.json<{ path: string; state: string }[]>('p1', 'disk', 'list')
  assert.equal(
    disks.filter(disk => disk.path === path).map(disk => disk.state),
    ['in'],
  )
  assert.is(disks.length, 2)
  assert.not.match(begun(dir), path)
})

function begun(dir: string): string {
  try {
    return readFileSync(join(dir, 'adding.json'), 'utf8')
  } catch {
    return ''
  }
}

halfMade.run()
