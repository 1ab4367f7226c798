// Starts the data process, and knows whether it runs: also one that another life of control
// started.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { PeerPaths } from '../common/paths.ts'
import {
  isAlive,
  type ProcessIdentity,
  readPidFile,
  signalProcess,
  writePidFile,
} from '../common/process-identity.ts'
import { packageRoot } from '../common/version.ts'
import { native } from '../native.ts'

/** What the data process needs of our environment; tokens and the like are not handed on. */
const envKept = ['PATH', 'HOME', 'LANG', 'TZ', 'RUST_BACKTRACE', 'NODE_COMPILE_CACHE']

/** Memory that was let go of stays mapped for so long: clients that write want it again soon. */
const envOwn = ['MIMALLOC_PURGE_DELAY=10000']

/** Of the end of its log. */
const wordsBytesMax = 1024

export class DataProcess {
  readonly #paths: PeerPaths
  #identity: ProcessIdentity | undefined

  constructor(paths: PeerPaths) {
    this.#paths = paths
    this.#identity = readPidFile(paths.dataPid)
  }

  get pid(): number | null {
    return this.isAlive() ? this.#identity!.pid : null
  }

  isAlive(): boolean {
    return this.#identity !== undefined && isAlive(this.#identity)
  }

  start(configPath: string): void {
    const argv = [
      process.execPath,
      ...process.execArgv,
      join(packageRoot, 'bin/data.js'),
      configPath,
    ]
    const env = envKept.flatMap(name => {
      const value = process.env[name]
      return value === undefined ? [] : [`${name}=${value}`]
    })
    const pid = native().spawnData(argv, [...env, ...envOwn], this.#paths.dataLog)
    this.#identity = writePidFile(this.#paths.dataPid, pid)
  }

  lastWords(): string | undefined {
    let file: number | undefined
    try {
      file = openSync(this.#paths.dataLog, 'r')
      const bytes = Buffer.alloc(wordsBytesMax)
      const count = readSync(
        file,
        bytes,
        0,
        wordsBytesMax,
        Math.max(0, fstatSync(file).size - wordsBytesMax),
      )
      return bytes.toString('utf8', 0, count).trimEnd().split('\n').at(-1) || undefined
    } catch {
      return undefined
    } finally {
      if (file !== undefined) closeSync(file)
    }
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#identity !== undefined && signalProcess(this.#identity, signal)
  }
}
