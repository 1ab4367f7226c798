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
  const add = (path: string) => demo.shoal('p1', 'disk', 'add', path, '--size', '256MiB', '--json')
  let [path, cut, tries] = ['', Promise.resolve<unknown>(undefined), 0]
  // One that was added before anybody looked is no use.
  for (let isCut = false; !isCut; tries++) {
    path = join(peerPaths(dir).diskDir, `late${tries}`)
    cut = add(path)
    isCut = await isSeen(path, dir, cut)
  }
  // Between the cluster's word and the list of disks, or shortly after.
  process.kill(data_pid!, 'SIGKILL')
  await demo.act('kill', 'p1')
  await cut
  await demo.act('start', 'p1')
  const again = await add(path)
  assert.ok([0, 5].includes(again.code ?? -1), again.stdout + again.stderr)
  await demo.waitHealthy()
  const disks = await demo.json<{ path: string; state: string }[]>('p1', 'disk', 'list')
  assert.equal(
    disks.filter(disk => disk.path === path).map(disk => disk.state),
    ['in'],
  )
  assert.is(disks.length, 1 + tries)
  assert.not.match(begun(dir), path)
})

/** Whether the adding of a disk was seen before it was over. */
async function isSeen(path: string, dir: string, cut: Promise<unknown>): Promise<boolean> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  cut.then(over, over)
  while (!isOver && !begun(dir).includes(path)) await sleep(1)
  return begun(dir).includes(path)
}

function begun(dir: string): string {
  try {
    return readFileSync(join(dir, 'adding.json'), 'utf8')
  } catch {
    return ''
  }
}

halfMade.run()
