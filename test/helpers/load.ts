// fio at work on a volume through NBD while a test does something to the cluster.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as assert from 'uvu/assert'

/** What clients waited for their writes, in milliseconds. */
export interface WriteLatency {
  p99Ms: number
  maxMs: number
}

const verified = [
  '--rw=randrw',
  '--iodepth=4',
  '--verify=crc32c',
  '--verify_backlog=256',
  '--verify_fatal=1',
  '--verify_state_save=0',
]
const writing = ['--rw=randwrite', '--bs=4k', '--iodepth=4', '--output-format=json']

export class Load {
  readonly #fio: ChildProcess
  readonly #closed: Promise<unknown>
  #text = ''

  private constructor(uri: string, seconds: number, settings: readonly string[]) {
    const common = ['--name=load', '--ioengine=nbd', `--uri=${uri}`, '--size=64M']
    const time = ['--time_based=1', `--runtime=${seconds}`]
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    this.#fio = spawn('fio', [...common, ...time, ...settings], { stdio: [...stdio] })
    this.#fio.stdout!.on('data', chunk => {
      this.#text += String(chunk)
    })
    this.#closed = once(this.#fio, 'close')
  }

  /** Reads and writes; all that is read is compared with what was written. */
  static verified(uri: string, seconds: number, more: readonly string[] = ['--bs=4k']): Load {
    return new Load(uri, seconds, [...verified, ...more])
  }

  /** Writes of 4 KiB; `latency` tells how long they took. */
  static writes(uri: string, seconds: number): Load {
    return new Load(uri, seconds, writing)
  }

  assertRunning(): void {
    assert.is(this.#fio.exitCode, null, 'fio saw an error')
  }

  /** Until its time is over; it must not have seen an error. */
  async end(): Promise<void> {
    await this.#closed
    assert.is(this.#fio.exitCode, 0, 'fio saw an error')
  }

  /** Ends it before its time; until now it must not have seen an error. */
  async stop(): Promise<void> {
    this.assertRunning()
    this.#fio.kill('SIGINT')
    await this.#closed
  }

  /** Of the writes, at their end. */
  async latency(): Promise<WriteLatency> {
    await this.end()
    // What comes before is for people.
    const { jobs } = JSON.parse(this.#text.slice(this.#text.indexOf('{'))) as {
      jobs: { write: { clat_ns: { max: number; percentile: Record<string, number> } } }[]
    }
    const { max, percentile } = jobs[0]!.write.clat_ns
    return { p99Ms: percentile['99.000000']! / 1e6, maxMs: max / 1e6 }
  }

  kill(): void {
    this.#fio.kill('SIGKILL')
  }
}
