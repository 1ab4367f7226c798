// What the data process is told at its start (docs/formats/data-config.md): complete, no defaults left
// to fill in. It is written to a file, so that a data process that is started again gets the same.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../common/config.ts'
import type { PeerPaths } from '../common/paths.ts'

export interface DataConfig {
  format: 1
  dir: string
  control_socket: string
  identity_path: string
  meta_dir: string
  device_dir: string
  listen: readonly string[]
  io_threads: number
  memory_bytes: number
  log_level: string
}

const ioThreadsMax = 4

export function dataConfig(config: Config, paths: PeerPaths, cores: number): DataConfig {
  return {
    format: 1,
    dir: paths.dir,
    control_socket: paths.dataSocket,
    identity_path: paths.identity,
    meta_dir: paths.meta,
    device_dir: paths.deviceDir,
    listen: config['net.listen'],
    io_threads: config['data.io_threads'] || Math.min(cores, ioThreadsMax),
    memory_bytes: config['data.memory'],
    log_level: config['log.level'],
  }
}

export async function writeDataConfig(paths: PeerPaths, config: DataConfig): Promise<string> {
  const path = join(paths.run, 'data.json')
  await writeFile(`${path}.new`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return path
}
