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
import type { DataEvent } from '../../src/data/protocol.ts'
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

async function started(
  dir: string,
  onEvent: (event: DataEvent) => void = () => {},
): Promise<Running> {
  mkdirSync(dir)
  const config = dataConfig(dir)
  const socketPath = config.control_socket
  writeFileSync(join(dir, 'data.json'), JSON.stringify(config))
  const argv = [join(root, 'bin/data.js'), join(dir, 'data.json')]
  const child: ChildProcess = spawn(process.execPath, argv, { stdio: 'inherit' })
  assert.ok(await poll(30_000, 20, () => existsSync(socketPath) || undefined), 'it did not start')
  const init = { socketPath, clock: systemClock, onEvent, onClose: () => {} }
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

data('a state is told whole to whom it is new, and a new leader is told of', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-data-'))
  const events: string[] = []
  try {
    const { client, end } = await started(join(dir, 'run'), event => events.push(event.event))
    try {
      await client.request('cluster.init', founding)
      const told = await poll(30_000, 20, () => events.includes('sessions.changed') || undefined)
      assert.ok(told, 'it began to lead')
      const leads = async () => {
        const state = await client.request('state.get', {})
        return 'unchanged' in state || !state.is_leader || !state.reachable ? undefined : state
      }
      const first = (await poll(30_000, 20, leads))!
      const known = first.tag!
      assert.equal(await client.request('state.get', { known }), { tag: known, unchanged: true })
      const settings = { type: 'set_settings' as const, settings: first.settings }
      await client.request('propose', { command: settings, proposal_id: 'ab'.repeat(16) })
      const next = await client.request('state.get', { known })
      assert.ok(!('unchanged' in next) && next.index > first.index && next.tag !== known)
    } finally {
      await end()
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
