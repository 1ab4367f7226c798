import {
  existsSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listen } from '../../../src/daemon/api-listener.ts'
import { failure } from '../../helpers/api-fixture.ts'

const listener = suite('api listener')
const dir = mkdtempSync(join(tmpdir(), 'shoal-listen-'))
listener.after(() => rmSync(dir, { recursive: true }))

listener('a socket that a killed daemon left behind is replaced', async () => {
  const path = join(dir, 'stale')
  // Its name outlives it, as after kill -9: the second name of a socket is not removed on close.
  const server = createServer().listen(`${path}.first`)
  await new Promise(resolve => server.once('listening', resolve))
  linkSync(`${path}.first`, path)
  await new Promise(resolve => server.close(resolve))
  assert.ok(existsSync(path))
  const app = Fastify()
  await listen(app, path, 'nobody-has-this-group')
  await failure(listen(Fastify(), path, 'nobody-has-this-group'), 'conflict')
  await app.close()
})

listener('anything else at its path is left alone', async () => {
  const file = join(dir, 'precious')
  writeFileSync(file, 'bytes')
  const link = join(dir, 'link')
  symlinkSync(file, link)
  for (const path of [file, link, dir]) {
    const error = await failure(listen(Fastify(), path, 'root'), 'conflict')
    assert.match(error.message, 'is no socket')
    assert.match(error.next ?? '', 'api.socket')
  }
  assert.is(readFileSync(file, 'utf8'), 'bytes')
})

listener('a directory that cannot be made is named, with its setting', async () => {
  writeFileSync(join(dir, 'file'), '')
  for (const path of ['/proc/shoal/api.sock', join(dir, 'file', 'api.sock')]) {
    const error = await failure(listen(Fastify(), path, 'root'), 'usage')
    assert.match(error.message, path)
    assert.match(error.next ?? '', 'api.socket')
  }
})

listener.run()
