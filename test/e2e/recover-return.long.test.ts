// Lost voters that come back after `cluster recover` went on without them: they follow the survivor,
// also where nothing of theirs would ever reach it, and what they had served meanwhile leaves no copy
// that differs from the others.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DemoCluster, tool } from '../helpers/demo-cluster.ts'
import { sleep } from '../helpers/sleep.ts'

interface Cluster {
  leader: string | null
  incarnation: number
}

const limitMs = 120_000
const returning = suite('lost voters that come back')
let demo = new DemoCluster()
returning.after.each(() => demo.down())

returning('one that decided alone follows the survivor', async () => {
  demo = new DemoCluster()
  await demo.up('--peers', '2')
  await qemuIo(demo.uri, 'write -P 0x11 0 8M')
  await demo.json('p1', 'export', 'delete', '1')
  await demo.act('kill', 'p1')
  await recovered('p2')
  const uri = await exported('p2')
  await qemuIo(uri, 'write -P 0x22 0 1M')
  await demo.act('start', 'p1')
  await follows('p1')
  await demo.waitHealthy(limitMs)
  await equalEverywhere(['p1', 'p2'], ['read -P 0x22 0 1M', 'read -P 0x11 1M 7M'])
})

returning('a majority that served without the survivor gives way, block by block', async () => {
  demo = new DemoCluster()
  await demo.up()
  await until('three voters', async () => (await show('p1', 'may_fail')) === 1)
  await qemuIo(demo.uri, 'write -P 0x11 0 8M')
  await demo.json('p1', 'export', 'delete', '1')
  for (const name of ['p1', 'p2']) await demo.act('kill', name)
  await recovered('p3')
  await demo.json('p3', 'policy', 'set', 'default', '--min-in-sync', '1', '--confirm', 'default')
  // Two groups; whoever does not answer is out then.
  await qemuIo(await exported('p3'), 'write -P 0x33 0 1M', 'write -P 0x33 4M 1M')
  await demo.act('kill', 'p3')
  for (const name of ['p1', 'p2']) await demo.act('start', name)
  await until('they lead', async () => (await show('p1', 'leader')) !== null)
  assert.is(await show('p1', 'incarnation'), 1)
  await qemuIo(await exported('p1'), 'write -P 0x99 2M 1M', 'write -P 0x99 6M 1M')
  // What rests is settled: it does not look like a leftover any more.
  await sleep(4_000)
  await demo.act('start', 'p3')
  for (const name of ['p1', 'p2']) await follows(name)
  await demo.waitHealthy(limitMs)
  const expected = ['read -P 0x33 0 1M', 'read -P 0x11 1M 3M', 'read -P 0x33 4M 1M']
  await equalEverywhere(['p1', 'p2', 'p3'], [...expected, 'read -P 0x11 5M 3M'])
})

async function recovered(peer: string): Promise<void> {
  const { code } = await demo.shoal(peer, 'status')
  assert.is(code, 0)
  await until('nobody leads', async () => (await show(peer, 'leader')) === null)
  await demo.json(peer, 'cluster', 'recover', '--confirm', 'demo')
  await until('it leads', async () => (await show(peer, 'leader')) === peer)
}

function follows(peer: string): Promise<void> {
  return until(`${peer} follows`, async () => (await show(peer, 'incarnation')) === 2)
}

/** Each peer's head reads its own copy first. */
async function equalEverywhere(peers: string[], reads: string[]): Promise<void> {
  for (const peer of peers) await qemuIo(await exported(peer), ...reads)
}

async function show(peer: string, key: keyof Cluster | 'may_fail'): Promise<unknown> {
  const { code, stdout } = await demo.shoal(peer, 'cluster', 'show', '--json')
  return code === 0 ? JSON.parse(stdout)[key] : undefined
}

/** Nobody else has it any more. */
async function exported(peer: string): Promise<string> {
  for (const { name } of demo.peers) {
    const listed = await demo.shoal(name, 'export', 'list', '--json')
    if (listed.code !== 0) continue
    const own = (JSON.parse(listed.stdout) as { id: number; peer: string }[]).filter(
      one => one.peer === name && name !== peer,
    )
    for (const { id } of own) await demo.shoal(name, 'export', 'delete', String(id), '--force')
  }
  let uri = ''
  await until(`${peer} exports it`, async () => {
    const ran = await demo.shoal(peer, 'export', 'create', 'demo', '--nbd', '--json')
    if (ran.code === 0) uri = (JSON.parse(ran.stdout) as { uri: string }).uri
    return ran.code === 0
  })
  return uri
}

async function qemuIo(uri: string, ...commands: string[]): Promise<void> {
  const args = commands.flatMap(command => ['-c', command])
  const said = await tool('qemu-io', '-f', 'raw', ...args, uri)
  assert.not.match(said, /verification failed|error/)
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not true after ${limitMs} ms: ${what}`)
    await sleep(300)
  }
}

returning.run()
