import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ConfigSources, envName, loadConfig } from '../../../src/common/config.ts'
import { configKeys } from '../../../src/common/config-keys.ts'
import { ShoalError } from '../../../src/common/errors.ts'

const config = suite('config')
const dir = mkdtempSync(join(tmpdir(), 'shoal-config-'))

function file(content: string): string {
  const path = join(dir, `${Math.random()}.toml`)
  writeFileSync(path, content)
  return path
}

function failure(sources: ConfigSources): ShoalError {
  try {
    loadConfig(sources)
  } catch (thrown) {
    assert.instance(thrown, ShoalError)
    return thrown as ShoalError
  }
  return assert.unreachable('it was accepted') as never
}

config('has defaults for everything, and every key has a line that documents it', () => {
  const loaded = loadConfig({})
  assert.is(loaded['data.memory'], null)
  assert.is(loaded['peer.name'], null)
  assert.is(loaded['reconcile.interval'], 1_000)
  for (const key of Object.values(configKeys)) assert.match(key.doc, /^[A-Z].{10,}\.$/)
})

config('layers defaults < file < environment < flags', () => {
  const path = file('[log]\nlevel = "warn"\n[data]\nio_threads = 2\nmemory = "1GiB"\n')
  const env = { [envName('data.io_threads')]: '3', [envName('data.memory')]: '2GiB' }
  const loaded = loadConfig({ file: path, env, flags: { 'data.memory': '4GiB' } })
  assert.is(loaded['log.level'], 'warn')
  assert.is(loaded['data.io_threads'], 3)
  assert.is(loaded['data.memory'], 4 * 2 ** 30)
})

config('refuses an unknown key and names the nearest one', () => {
  assert.is(
    failure({ file: file('[data]\nio_thread = 2\n') }).next,
    'did you mean "data.io_threads"?',
  )
  assert.match(failure({ file: file('[daat]\nmemory = "1GiB"\n') }).next ?? '', 'data.memory')
  assert.match(failure({ file: file('memory = "1GiB"\n') }).message, 'there is no setting "memory"')
})

config('listens on addresses of both families', () => {
  const loaded = loadConfig({
    file: file('[net]\nlisten = "[::]:1"\n[gossip]\nlisten = "10.0.0.1:65535"\n'),
  })
  assert.is(loaded['net.listen'], '[::]:1')
  assert.is(loaded['gossip.listen'], '10.0.0.1:65535')
})

config('does without a file, unless someone named one', () => {
  const missing = join(dir, 'missing.toml')
  assert.is(loadConfig({ file: missing })['log.level'], 'info')
  assert.match(failure({ file: missing, isFileNamed: true }).message, 'missing.toml cannot be read')
})

config('says where a damaged file is damaged', () => {
  assert.match(
    failure({ file: file('[data]\nmemory = \n') }).message,
    /\.toml:2:\d+ cannot be read/,
  )
})

config('refuses values that do not fit', () => {
  for (const content of [
    '[data]\nmemory = 5\n',
    '[data]\nmemory = "10GB"\n',
    '[data]\nmemory = "1KiB"\n',
    '[data]\nio_threads = -1\n',
    '[data]\nio_threads = 1.5\n',
    '[data]\nio_threads = "many"\n',
    '[net]\nadvertise = "0.0.0.0:1"\n',
    '[net]\nadvertise = [1]\n',
    '[net]\nadvertise = ["10.0.0.1"]\n',
    '[net]\nadvertise = ["10.0.0.1:0"]\n',
    '[net]\nlisten = "nonsense"\n',
    '[net]\nlisten = "127.0.0.1:99999"\n',
    '[net]\nlisten = "here:7440"\n',
    '[gossip]\nlisten = "::1:7441"\n',
    '[log]\nlevel = "loud"\n',
    '[gossip]\nenabled = "yes"\n',
  ]) {
    assert.is(failure({ file: file(content) }).code, 'config_invalid', content)
  }
  assert.is(failure({ env: { SHOAL_DATA_IO_THREADS: 'x' } }).code, 'config_invalid')
})

config('cannot be changed afterwards', () => {
  const loaded = loadConfig({})
  assert.throws(() => Object.assign(loaded, { 'log.level': 'debug' }))
})

config.run()
