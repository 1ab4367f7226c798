// A real disk that fails: QEMU's storage daemon shows a file through FUSE, over the file itself, with
// errors injected at chosen sectors; stopped, it is a disk that answers nothing.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Fault {
  iotype: 'read' | 'write'
  /** Byte offset of a 512-byte sector. */
  offset: number
}

const mountedMs = 10_000
/** A slow disk answers within these what has come meanwhile. */
const movesMs = 5

export class FaultyDisk {
  readonly path: string
  readonly #daemon: ChildProcess

  private constructor(path: string, daemon: ChildProcess) {
    this.path = path
    this.#daemon = daemon
  }

  /** Goes over `path`, which nobody may have open. `iopsMax`: reads and writes in a second. */
  static async over(path: string, faults: Fault[] = [], iopsMax = 0): Promise<FaultyDisk> {
    const inject = faults.flatMap(({ iotype, offset }, i) => [
      `inject-error.${i}.event=none`,
      `inject-error.${i}.iotype=${iotype}`,
      `inject-error.${i}.sector=${offset / 512}`,
      `inject-error.${i}.errno=5`,
    ])
    const args = [
      `--blockdev=driver=file,node-name=file,filename=${path},locking=off`,
      `--blockdev=${['driver=blkdebug', 'node-name=faulty', 'image=file', ...inject].join(',')}`,
      `--object=throttle-group,id=pace,x-iops-total=${iopsMax}`,
      '--blockdev=driver=throttle,node-name=disk,throttle-group=pace,file=faulty',
      `--export=type=fuse,id=fuse,node-name=disk,mountpoint=${path},writable=on`,
    ]
    const daemon = spawn('qemu-storage-daemon', args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    daemon.stderr?.on('data', chunk => {
      said += String(chunk)
    })
    const end = Date.now() + mountedMs
    while (!isMounted(path)) {
      if (Date.now() > end || daemon.exitCode !== null) {
        daemon.kill('SIGKILL')
        throw new Error(`${path} is not mounted: ${said}`)
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    return new FaultyDisk(path, daemon)
  }

  /** From now on it answers nothing. */
  stall(): void {
    this.#daemon.kill('SIGSTOP')
  }

  resume(): void {
    this.#daemon.kill('SIGCONT')
  }

  /** From now on every command takes up to `ms`, and nothing stalls. Call what it gives to end it. */
  slow(ms: number): () => void {
    let on = true
    const pause = (milliseconds: number) =>
      new Promise<void>(resolve => setTimeout(resolve, milliseconds))
    const cycle = async () => {
      while (on) {
        this.stall()
        await pause(ms)
        this.resume()
        await pause(movesMs)
      }
    }
    const cycling = cycle()
    return () => {
      on = false
      void cycling
    }
  }

  /** The file alone again; nobody may have it open. */
  async end(): Promise<void> {
    this.resume()
    if (this.#daemon.exitCode === null) {
      const ended = new Promise(resolve => this.#daemon.once('exit', resolve))
      this.#daemon.kill('SIGTERM')
      await ended
    }
    if (isMounted(this.path)) execFileSync('umount', ['-l', this.path])
  }
}

function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${path} `)
}
