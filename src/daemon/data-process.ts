// Starts the data process, and knows whether it runs: also one that another life of control
// started.
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
    const argv = [process.execPath, join(packageRoot, 'bin/data.js'), configPath]
    const env = envKept.flatMap(name => {
      const value = process.env[name]
      return value === undefined ? [] : [`${name}=${value}`]
    })
    const pid = native().spawnData(argv, env, this.#paths.dataLog)
    this.#identity = writePidFile(this.#paths.dataPid, pid)
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#identity !== undefined && signalProcess(this.#identity, signal)
  }
}
