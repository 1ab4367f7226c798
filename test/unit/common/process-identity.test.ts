import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as identity from '../../../src/common/process-identity.ts'

const processes = suite('process identity')
const path = join(mkdtempSync(join(tmpdir(), 'shoal-pid-')), 'x.pid')

processes('a pid file leads to the process that wrote it', () => {
  const written = identity.writePidFile(path, process.pid)
  assert.equal(identity.readPidFile(path), written)
})

processes('a pid that was given to another process is nobody', () => {
  writeFileSync(path, `${process.pid} 1\n`)
  assert.is(identity.readPidFile(path), undefined)
  assert.not(identity.signalProcess({ pid: process.pid, startTicks: 1 }, 'SIGKILL'))
})

processes('a damaged or absent file is nobody', () => {
  for (const content of ['', 'x y', `${process.pid}`, '1 2 3 4'.repeat(1000)]) {
    writeFileSync(path, content)
    assert.is(identity.readPidFile(path), undefined)
  }
  assert.is(identity.readPidFile(`${path}.none`), undefined)
})

processes('a process that ended is gone, also before its parent asks', async () => {
  const child = spawn('sleep', ['60'])
  const found = identity.identifyProcess(child.pid!)!
  assert.ok(identity.isAlive(found))
  assert.ok(identity.signalProcess(found, 'SIGKILL'))
  await once(child, 'exit')
  assert.not(identity.isAlive(found))
})

processes('a command name cannot forge the fields after it', () => {
  const stat = `42 (x) Z 1 (y) S ${Array.from({ length: 18 }, (_, index) => index).join(' ')} 777 0`
  assert.equal(identity.parseStat(42, stat), { pid: 42, startTicks: 777 })
  assert.is(identity.parseStat(42, '42 (x) Z 1 2 3'), undefined)
})

processes.run()
