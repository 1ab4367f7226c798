import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { poll, systemClock } from '../../../src/common/clock.ts'
import { createLog } from '../../../src/common/log.ts'
import { Backoff } from '../../../src/daemon/backoff.ts'
import { DataLink, type DataRunner } from '../../../src/daemon/data-link.ts'
import { failure } from '../../helpers/api-fixture.ts'
import { PretendData } from '../../helpers/pretend-data.ts'

const link = suite('data link')
const dir = mkdtempSync(join(tmpdir(), 'shoal-link-'))
const log = createLog('error')
let sockets = 0

/** Stands for the operating system: "starts" a pretend data process in this one. */
class PretendRunner implements DataRunner {
  starts = 0
  signals: string[] = []
  data: PretendData | undefined
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  isAlive(): boolean {
    return this.data !== undefined
  }

  start(): void {
    this.starts++
    this.data = new PretendData()
    this.data.overrides.set('shutdown', () => void this.die())
    void this.data.listen(this.#socketPath)
  }

  lastWords(): string {
    return 'no room for it'
  }

  signal(signal: string): boolean {
    this.signals.push(signal)
    void this.die()
    return true
  }

  async die(): Promise<void> {
    const data = this.data
    this.data = undefined
    await data?.close()
  }
}

function make() {
  const socketPath = join(dir, `${sockets++}.sock`)
  const runner = new PretendRunner(socketPath)
  const seen: string[] = []
  const made = new DataLink({
    socketPath,
    configPath: '/unused',
    process: runner,
    clock: systemClock,
    log,
    onEvent: event => seen.push(event.event),
    onConnect: () => seen.push('connect'),
    onDisconnect: () => seen.push('disconnect'),
  })
  return { link: made, runner, seen, socketPath }
}

const connected = (made: DataLink) => poll(10_000, 5, () => (made.isConnected ? true : undefined))

link('starts a data process when there is none, and one only', async () => {
  const { link: made, runner } = make()
  await failure(made.request('disk.list', {}), 'unavailable')
  made.start()
  assert.ok(await connected(made))
  assert.is(runner.starts, 1)
  assert.equal(await made.request('disk.list', {}), [])
  await made.stop(5_000)
  assert.equal(runner.signals, [])
})

link('what a data process said before it ended is told to those who ask meanwhile', async () => {
  const { link: made, runner } = make()
  made.start()
  assert.ok(await connected(made))
  runner.start = () => undefined
  await runner.die()
  await poll(10_000, 5, () => (made.isConnected ? undefined : true))
  const why = await poll(10_000, 5, async () => {
    const error = await failure(made.request('disk.list', {}), 'unavailable')
    return error.why === 'it is being started' ? undefined : error.why
  })
  assert.is(why, 'it ended: no room for it')
  await made.stop(1_000)
})

link('attaches to one that serves already', async () => {
  const { link: made, runner } = make()
  runner.start()
  made.start()
  assert.ok(await connected(made))
  assert.is(runner.starts, 1)
  await made.stop(5_000)
})

link('starts it again at once when it dies', async () => {
  const { link: made, runner, seen } = make()
  made.start()
  await connected(made)
  await runner.die()
  await poll(10_000, 5, () =>
    seen.filter(one => one === 'connect').length === 2 ? true : undefined,
  )
  assert.equal(seen, ['connect', 'disconnect', 'connect'])
  assert.is(runner.starts, 2)
  await made.stop(5_000)
})

link('a data process that does not end is killed', async () => {
  const { link: made, runner } = make()
  made.start()
  await connected(made)
  runner.data!.overrides.set('shutdown', () => null)
  await made.stop(50)
  assert.equal(runner.signals, ['SIGKILL'])
})

link('waits longer each time it fails at once, and not at all after a good run', () => {
  const backoff = new Backoff({ firstMs: 100, maxMs: 1_000, healthyMs: 10_000 })
  const waits = [0, 1, 2, 3, 4, 5, 6].map(() => backoff.ended(5))
  assert.equal(waits, [0, 100, 200, 400, 800, 1_000, 1_000])
  assert.is(backoff.ended(10_000), 0)
  assert.is(backoff.ended(5), 100)
})

link.run()
