// ublk in a real kernel: each test runs one guest script of test/vm/scripts in QEMU (test/vm/run).
// The server under test is SHOAL_VM_SERVER, or the example of the crate, built here.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const GUEST_LIMIT_SECONDS = 400

const root = join(import.meta.dirname, '..', '..')
const ublk = suite('ublk in a guest')

function buildExample(): string {
  const args = ['build', '--quiet', '-p', 'shoal-ublk', '--example', 'ublk-file']
  execFileSync('cargo', args, { cwd: join(root, 'native'), stdio: 'inherit' })
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'native', 'target')
  return join(target, 'debug', 'examples', 'ublk-file')
}

function runInGuest(script: string, server: string): void {
  const limit = String(GUEST_LIMIT_SECONDS)
  const args = [script, '--limit', limit, '--env', `SHOAL_VM_SERVER=${server}`]
  const result = spawnSync(join(root, 'test', 'vm', 'run'), args, { encoding: 'utf8' })
  assert.is(
    result.status,
    0,
    `${script} ended with ${result.status}\n${result.stdout}${result.stderr}`,
  )
}

let server = ''
ublk.before(() => {
  assert.is(process.getuid?.(), 0, 'the guest shares the root directory: run as root')
  server = process.env.SHOAL_VM_SERVER ?? buildExample()
  assert.ok(existsSync(server), `no server ${server}`)
})

const scripts = {
  'ublk-basic': 'file systems, verify, discard, detach',
  'ublk-recover': 'kill -9 under verified I/O and at every step of a recovery',
  'ublk-fenced': 'a fenced device answers EIO until it is detached',
  'ublk-readonly': 'a read-only device takes no write',
  'ublk-multiqueue': 'many queues of many devices on one thread',
  'ublk-stuck': 'forced detach of a server that hangs',
}
for (const [script, what] of Object.entries(scripts)) {
  ublk(what, () => runInGuest(script, server))
}

ublk('a failing script fails', () => {
  assert.throws(() => runInGuest('hello', '/nonexistent'), /hello ended with 4/)
})

ublk.run()
