// The addon as JavaScript sees it. What it does inside is tested in Rust; here it is the seam:
// arguments, results, and errors that arrive as errors.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { poll } from '../../src/common/clock.ts'
import { programVersion } from '../../src/common/version.ts'
import { native } from '../../src/native.ts'
import { dataConfig } from '../helpers/data-config.ts'

const addon = suite('addon')
let dir: string
addon.before.each(() => {
  dir = mkdtempSync(join(tmpdir(), 'shoal-binding-'))
})
addon.after.each(() => rmSync(dir, { recursive: true }))

addon('is of the same version', () => {
  assert.is(native().version(), programVersion())
})

/** What a child, started as a data process is, wrote before it ended. */
async function spawned(script: string, env: string[]): Promise<string> {
  const log = join(dir, 'data.log')
  writeFileSync(log, 'earlier\n')
  const pid = native().spawnData(['/bin/sh', '-c', `${script}; echo end`], env, log)
  assert.ok(pid > 1)
  const text = await poll(10_000, 20, () => {
    const found = readFileSync(log, 'utf8')
    return found.endsWith('end\n') ? found : undefined
  })
  assert.ok(text, 'the child wrote nothing')
  return text.replaceAll(String(pid), 'PID')
}

addon('starts a data process with just the given environment, its output appended', async () => {
  const text = await spawned('env | grep -v -e ^PWD -e ^SHLVL -e ^_=', ['A=1', 'B=two=2', 'odd'])
  assert.is(text, 'earlier\nA=1\nB=two=2\nend\n')
})

addon('gives the data process a session of its own', async () => {
  // Fields 1 and 6 of stat(5): pid and session. The shell reads its own by $$.
  const text = await spawned('read -r pid a b c d session rest < /proc/$$/stat; echo $session', [])
  assert.is(text, 'earlier\nPID\nend\n')
})

addon('marks the data process as one that writes back for itself, where it may', async () => {
  // Field 9 of stat(5) holds PF_MEMALLOC_NOIO, 0x80000; /proc tells the rest.
  const script =
    'read -r a b c d e f g h flags rest < /proc/$$/stat; echo $(( flags & 0x80000 )); cat /proc/$$/oom_score_adj'
  const marks = mayUseResources() ? '524288\n-900' : `0\n${ownScore()}`
  assert.is(await spawned(script, []), `earlier\n${marks}\nend\n`)
})

/** CAP_SYS_RESOURCE, bit 24 of the effective capabilities. */
function mayUseResources(): boolean {
  const [, hex] = /^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!
  return ((BigInt(`0x${hex}`) >> 24n) & 1n) === 1n
}

function ownScore(): string {
  return readFileSync('/proc/self/oom_score_adj', 'utf8').trim()
}

addon('says why a data process cannot start', () => {
  const log = join(dir, 'data.log')
  assert.throws(() => native().spawnData([], [], log), /command line is empty/)
  assert.throws(() => native().spawnData([join(dir, 'nothing')], [], log), /No such file/)
  assert.throws(() => native().spawnData(['/bin/true'], [], dir), /Is a directory/)
})

addon('says why a configuration is refused', async () => {
  assert.match(await refusal('{'), /EOF/)
  assert.match(await refusal('{"dir": "/"}'), /missing field/)
  assert.match(await refusal(JSON.stringify({ ...dataConfig(dir), io_threads: 0 })), /not 1 to 64/)
  assert.match(
    await refusal(JSON.stringify({ ...dataConfig(dir), more: 1 })),
    /unknown field `more`/,
  )
})

addon('says that there is no such device to take down', () => {
  const detach = () => native().forceDetach(join(dir, 'devices'), 'vol')
  assert.throws(detach, /no device of this peer shows a volume 'vol'/)
})

async function refusal(json: string): Promise<string> {
  try {
    await native().runData(json)
  } catch (thrown) {
    return (thrown as Error).message
  }
  throw new Error('it ran')
}

addon('tells who is at the other end of a socket', async () => {
  const path = join(dir, 'socket')
  const server = createServer()
  await new Promise<void>(resolve => server.listen(path, resolve))
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve))
  const client = connect(path)
  const socket = (await accepted) as Socket & { _handle: { fd: number } }
  try {
    assert.equal(native().peerCredentials(socket._handle.fd), {
      pid: process.pid,
      uid: process.getuid!(),
      gid: process.getgid!(),
    })
  } finally {
    client.destroy()
    socket.destroy()
    server.close()
  }
  assert.throws(() => native().peerCredentials(1 << 20), /Bad file descriptor/)
})

addon('says when there is no service manager to tell', () => {
  assert.throws(() => native().notify(join(dir, 'nobody'), 'READY=1'), /No such file/)
})

addon.run()
