// A data process of its own, asked as control asks it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { poll, systemClock } from '../../src/common/clock.ts'
import { DataClient } from '../../src/data/client.ts'
import { detachWithoutDaemon } from '../../src/ublk/force-detach.ts'
import { dataConfig } from '../helpers/data-config.ts'

const data = suite('data process')
const root = join(import.meta.dirname, '../..')

const founding = {
  name: 'c',
  peer_name: 'p',
  addresses: [{ role: 'data' as const, address: '127.0.0.1:1' }],
  domains: { rack: 'r', zone: 'z' },
}

interface Running {
  client: DataClient
  end(): Promise<void>
}

async function started(dir: string): Promise<Running> {
  mkdirSync(dir)
  const config = dataConfig(dir)
  const socketPath = config.control_socket
  writeFileSync(join(dir, 'data.json'), JSON.stringify(config))
  const argv = [join(root, 'bin/data.js'), join(dir, 'data.json')]
  const child: ChildProcess = spawn(process.execPath, argv, { stdio: 'inherit' })
  assert.ok(await poll(30_000, 20, () => existsSync(socketPath) || undefined), 'it did not start')
  const init = { socketPath, clock: systemClock, onEvent: () => {}, onClose: () => {} }
  const { client } = await DataClient.connect(init)
  const end = async () => {
    client.close()
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  return { client, end }
}

data('whoever founded a cluster can admit others at once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-data-'))
  try {
    for (let round = 0; round < 5; round++) {
      const { client, end } = await started(join(dir, String(round)))
      try {
        await client.request('cluster.init', founding)
        const made = await client.request('cluster.token', { ttl_ms: 60_000, addresses: [] })
        assert.ok(made.token.length > 0)
      } finally {
        await end()
      }
    }
  } finally {
    rmSync(dir, { recursive: true })
  }
})

data(
  'a detach by force asks a data process that lives, and the kernel when there is none',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'shoal-data-'))
    const run = join(dir, 'run')
    const saidOf = (volume: string) =>
      detachWithoutDaemon(join(run, 'shoal.sock'), volume).then(
        () => 'detached',
        (thrown: Error) => thrown.message,
      )
    try {
      const { client, end } = await started(run)
      try {
        await client.request('cluster.init', founding)
        assert.match(await saidOf('vol'), /no volume|not found/)
      } finally {
        await end()
      }
      assert.match(await saidOf('vol'), /no device of this peer/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  },
)

data.run()
