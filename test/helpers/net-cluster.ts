// Peers in network namespaces of their own, joined by a bridge: what a test cuts is cut by the
// kernel, in one direction or in both. Needs root. It is taken down however the test ends.
import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ApiClient } from '../../src/api/client.ts'
import { peerPaths } from '../../src/common/paths.ts'
import {
  isAlive,
  type ProcessIdentity,
  readPidFile,
  signalProcess,
} from '../../src/common/process-identity.ts'
import { apiOf, retried } from './api.ts'
import { clearDeadRuns, tagOf } from './dead-runs.ts'
import { shoalPath } from './run-shoal.ts'
import { sleep } from './sleep.ts'

const startMs = 60_000
const diskBytesUsual = 512 * 2 ** 20
const dataPort = 7440
const gossipPort = 7441

export interface NetPeer {
  name: string
  dir: string
  namespace: string
  address: string
  api: ApiClient
}

export interface NetOptions {
  peers: number
  /** Placement groups of the policy "default"; few come back soon. */
  groups?: number
  diskBytes?: number
  /** Peers that get no disk. */
  diskless?: string[]
  /** Put before the command of a peer: `faketime` and the like. */
  prefix?: string[]
}

export class NetCluster {
  readonly dir = mkdtempSync(join(tmpdir(), `shoal-net-${process.pid}-`))
  readonly peers: NetPeer[] = []
  readonly #tag = tagOf(process.pid)
  readonly #prefix: string[]
  readonly #options: NetOptions

  constructor(options: NetOptions) {
    this.#options = options
    this.#prefix = options.prefix ?? []
    process.once('exit', () => this.#clean())
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
  }

  /** A cluster with a disk for each peer and the policy "default". */
  async up(): Promise<void> {
    clearDeadRuns()
    ip('link', 'add', this.#tag, 'type', 'bridge')
    ip('link', 'set', this.#tag, 'up')
    for (let at = 1; at <= this.#options.peers; at++) await this.addPeer(`p${at}`)
    const [first, ...others] = this.peers as [NetPeer, ...NetPeer[]]
    await first.api.call('cluster.init', { body: { name: 'net' } })
    for (const peer of others) await this.join(peer)
    const withDisk = this.peers.filter(({ name }) => !this.#options.diskless?.includes(name))
    for (const peer of withDisk) await this.addDisk(peer)
    await this.#createPolicy(withDisk.length)
  }

  /** A peer that runs and belongs to no cluster yet. */
  async addPeer(name: string): Promise<NetPeer> {
    const number = Number(name.slice(1))
    const dir = join(this.dir, name)
    const namespace = `${this.#tag}-${name}`
    const address = `10.77.0.${number}`
    const api = apiOf(peerPaths(dir).apiSocket)
    const peer = { name, dir, namespace, address, api }
    this.peers.push(peer)
    this.#connect(peer, `${this.#tag}v${number}`)
    mkdirSync(peerPaths(dir).logDir, { recursive: true })
    mkdirSync(peerPaths(dir).diskDir, { recursive: true })
    writeFileSync(peerPaths(dir).config, settings(peer))
    await this.start(name)
    return peer
  }

  /** Ends a peer and forgets it; what the cluster thinks of it stays as it is. */
  async dropPeer(name: string): Promise<void> {
    await this.kill(name)
    const peer = this.peer(name)
    this.peers.splice(this.peers.indexOf(peer), 1)
    ip('netns', 'del', peer.namespace)
    rmSync(peer.dir, { recursive: true, force: true })
  }

  async join(peer: NetPeer, through = this.peers[0]!): Promise<void> {
    const ask = async () => {
      const { token } = await through.api.call('cluster.token', { body: { ttl_ms: 600_000 } })
      return peer.api.call('cluster.join', { body: { token, witness: false } })
    }
    await retried(startMs, ask)
  }

  async addDisk({ api, dir }: NetPeer, name = 'disk1'): Promise<void> {
    const path = join(peerPaths(dir).diskDir, name)
    const size = this.#options.diskBytes ?? diskBytesUsual
    const body = { path, size, class: null, wipe: false, reserve: true } as const
    await retried(startMs, () => api.call('disk.add', { body }))
  }

  async #createPolicy(disks: number): Promise<void> {
    const { api } = this.peers[0]!
    await retried(startMs, async () => {
      const known = await api.call('disk.list')
      if (known.length < disks) return sleep(100)
    })
    const copies = Math.min(3, disks)
    const shape = { copies, min_in_sync: Math.max(1, copies - 1), failure_domain: 'peer' } as const
    const body = { name: 'default', ...shape, class: null, pg_count: this.#options.groups ?? 8 }
    await retried(startMs, () => api.call('policy.create', { body: { ...body, dry_run: false } }))
  }

  peer(name: string): NetPeer {
    return this.peers.find(one => one.name === name)!
  }

  get names(): string[] {
    return this.peers.map(peer => peer.name)
  }

  /** Returns once it answers. */
  async start(name: string, prefix: string[] = this.#prefix): Promise<void> {
    const { dir, namespace, api } = this.peer(name)
    const log = openSync(peerPaths(dir).controlLog, 'a')
    const inside = ['netns', 'exec', namespace, ...prefix, shoalPath, 'daemon', 'run', '--dir', dir]
    spawn('ip', inside, { stdio: ['ignore', log, log], detached: true }).unref()
    closeSync(log)
    await retried(startMs, () => api.text('/readyz'))
  }

  /** As a power cut would; or one of the processes alone. */
  async kill(name: string, part?: 'data' | 'control'): Promise<void> {
    const running = this.#processes(name)
    // The control process would start the other one again.
    const doomed = part ? [running[part]] : [running.control, running.data]
    for (const one of doomed) if (one) signalProcess(one, 'SIGKILL')
    await gone(doomed)
  }

  async stop(name: string): Promise<void> {
    const { control, data } = this.#processes(name)
    if (control) signalProcess(control, 'SIGTERM')
    await gone([control, data])
  }

  pids(name: string): { control: number | null; data: number | null } {
    const { control, data } = this.#processes(name)
    return { control: control?.pid ?? null, data: data?.pid ?? null }
  }

  #processes(name: string) {
    const { controlPid, dataPid } = peerPaths(this.peer(name).dir)
    return { control: readPidFile(controlPid), data: readPidFile(dataPid) }
  }

  /** Nothing of what `from` sends arrives at `to`. */
  cut(from: string, to: string): void {
    const rule = ['-s', `${this.peer(from).address}/32`, '-j', 'DROP']
    inside(this.peer(to), 'iptables', '-w', '-A', 'INPUT', ...rule)
  }

  cutBoth(one: string, other: string): void {
    this.cut(one, other)
    this.cut(other, one)
  }

  /** Each of the one side from each of the other, both ways. */
  split(one: string[], other: string[]): void {
    for (const here of one) for (const there of other) this.cutBoth(here, there)
  }

  heal(): void {
    for (const peer of this.peers) inside(peer, 'iptables', '-w', '-F', 'INPUT')
  }

  /** Until some peer says that all is well. */
  async waitHealthy(limitMs: number, at = this.names[0]!): Promise<void> {
    const { api } = this.peer(at)
    const end = Date.now() + limitMs
    for (;;) {
      const status = await retried(limitMs, () => api.call('status.show'))
      if (status.health === 'ok') return
      if (Date.now() > end)
        throw new Error(`not healthy after ${limitMs} ms: ${JSON.stringify(status)}`)
      await sleep(200)
    }
  }

  async leader(at = this.names[0]!): Promise<string> {
    for (;;) {
      const { leader } = await retried(startMs, () => this.peer(at).api.call('cluster.show'))
      if (leader) return leader
      await sleep(100)
    }
  }

  async down(): Promise<void> {
    await Promise.all(this.names.map(name => this.kill(name)))
    this.#clean()
  }

  #connect({ namespace, address }: NetPeer, veth: string): void {
    ip('netns', 'add', namespace)
    ip('link', 'add', veth, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    ip('link', 'set', veth, 'master', this.#tag, 'up')
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0')
    ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
  }

  #clean(): void {
    for (const name of this.names) {
      const { control, data } = this.#processes(name)
      for (const one of [control, data]) if (one) signalProcess(one, 'SIGKILL')
    }
    for (const { namespace } of this.peers.splice(0)) ignoring(() => ip('netns', 'del', namespace))
    ignoring(() => ip('link', 'del', this.#tag))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

function settings({ name, address }: NetPeer): string {
  return [
    '[peer]',
    `name = "${name}"`,
    '[net]',
    `listen = "${address}:${dataPort}"`,
    '[gossip]',
    `listen = "${address}:${gossipPort}"`,
    '[data]',
    'io_threads = 1',
    'memory = "128MiB"',
    '',
  ].join('\n')
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function inside({ namespace }: NetPeer, ...command: string[]): void {
  ip('netns', 'exec', namespace, ...command)
}

async function gone(processes: (ProcessIdentity | undefined)[]): Promise<void> {
  while (processes.some(one => one !== undefined && isAlive(one))) await sleep(20)
}

/** What is gone already needs no end. */
function ignoring(act: () => void): void {
  try {
    act()
  } catch {}
}
