// A demo cluster for end-to-end tests: real peers, real sockets, files as disks. It is taken down when
// the test file ends, however it ends.
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Ran, runShoal } from './run-shoal.ts'

const run = promisify(execFile)

export interface PeerInfo {
  name: string
  id: number | null
  pid: number | null
  data_pid: number | null
  server: string
  dir: string
}

export interface UpResult {
  dir: string
  peers: PeerInfo[]
  volume: { name: string; size: number; uri: string; device: string | null } | null
}

export interface StatusResult {
  health: 'ok' | 'warn' | 'error'
  reasons: { code: string; message: string; next: string }[]
  peers: { name: string; state: string }[]
  disks: { total: number; in: number }
  volumes: { total: number; degraded: number; blocked: number }
  tasks: { kind: string }[]
}

/** Small disks keep the preparation short; they are written in full before they are used. */
const diskSize = '512MiB'
const upLimitMs = 120_000
const pollMs = 200

export class DemoCluster {
  readonly dir: string
  peers: PeerInfo[] = []
  uri = ''

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-'))
  }

  async up(...args: string[]): Promise<UpResult> {
    const size = args.includes('--disk-size') ? [] : ['--disk-size', diskSize]
    const all = ['demo', 'up', '--dir', this.dir, ...size, ...args, '--json']
    const result = ok(await runShoal(all, { limitMs: upLimitMs })) as UpResult
    this.peers = result.peers
    this.uri = result.volume?.uri ?? ''
    return result
  }

  peer(name: string): PeerInfo {
    const found = this.peers.find(one => one.name === name)
    if (!found) throw new Error(`the demo has no peer ${name}`)
    return found
  }

  /** Runs a command against one peer. */
  shoal(peer: string, ...args: string[]): Promise<Ran> {
    return runShoal(args, { env: { SHOAL_SERVER: this.peer(peer).server } })
  }

  /** The same, and it has to succeed; gives what it printed as JSON. */
  async json<T>(peer: string, ...args: string[]): Promise<T> {
    return ok(await this.shoal(peer, ...args, '--json')) as T
  }

  /** `start`, `stop` or `kill`. */
  async act(action: 'start' | 'stop' | 'kill', peer: string): Promise<void> {
    const args = ['demo', action, peer, '--dir', this.dir, '--json']
    const result = ok(await runShoal(args)) as UpResult
    this.peers = result.peers
  }

  async status(peer = 'p1'): Promise<StatusResult> {
    return this.json(peer, 'status')
  }

  async waitFor(
    what: string,
    isTrue: (status: StatusResult) => boolean,
    limitMs: number,
    peer = 'p1',
  ): Promise<StatusResult> {
    const end = Date.now() + limitMs
    let last = ''
    while (Date.now() < end) {
      const ran = await this.shoal(peer, 'status', '--json')
      last = ran.stdout + ran.stderr
      if (ran.code === 0) {
        const status = JSON.parse(ran.stdout) as StatusResult
        if (isTrue(status)) return status
      }
      await new Promise(resolve => setTimeout(resolve, pollMs))
    }
    throw new Error(`${what} did not come true within ${limitMs} ms; last status: ${last}`)
  }

  waitHealthy(limitMs = 60_000): Promise<StatusResult> {
    return this.waitFor('health ok', status => status.health === 'ok', limitMs)
  }

  async down(): Promise<void> {
    await runShoal(['demo', 'down', '--dir', this.dir], { limitMs: upLimitMs })
  }
}

function ok(ran: Ran): unknown {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return JSON.parse(ran.stdout)
}

/** Runs a tool that has to succeed; gives its output. */
export async function tool(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await run(command, args, { maxBuffer: 2 ** 26, timeout: 180_000 })
    return stdout
  } catch (thrown) {
    const { stderr, stdout, message } = thrown as {
      stderr?: string
      stdout?: string
      message: string
    }
    throw new Error(`${command} ${args.join(' ')}: ${message}\n${stdout ?? ''}\n${stderr ?? ''}`)
  }
}

export interface FioJob {
  uri: string
  rw: string
  /** Extra `--key=value` settings. */
  more?: string[]
}

/** fio through its NBD engine, with verification; throws on any error or mismatch. */
export function fio(job: FioJob): Promise<string> {
  return tool(
    'fio',
    '--name=test',
    '--ioengine=nbd',
    `--uri=${job.uri}`,
    `--rw=${job.rw}`,
    '--randseed=7',
    '--verify=crc32c',
    '--verify_fatal=1',
    '--verify_state_save=0',
    '--output-format=json',
    ...(job.more ?? []),
  )
}
