// What the data process is told at its start (docs/formats/data-config.md): complete, no defaults
// left to fill in. It is written to a file, so that a data process that is started again gets the
// same.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../common/config.ts'
import type { PeerPaths } from '../common/paths.ts'

export interface DataConfig {
  dir: string
  control_socket: string
  nbd_socket: string
  nbd_socket_mode: number
  device_dir: string
  listen: string
  io_threads: number
  memory_budget_bytes: number | null
  lease_ms: number
}

const ioThreadsMax = 4
const nbdSocketMode = 0o660

export function dataConfig(config: Config, paths: PeerPaths, cores: number): DataConfig {
  return {
    dir: paths.dir,
    control_socket: paths.dataSocket,
    nbd_socket: paths.nbdSocket,
    nbd_socket_mode: nbdSocketMode,
    device_dir: paths.deviceDir,
    listen: config['net.listen'],
    io_threads: config['data.io_threads'] || Math.min(cores, ioThreadsMax),
    memory_budget_bytes: config['data.memory'],
    lease_ms: config['data.lease'],
  }
}

export async function writeDataConfig(paths: PeerPaths, config: DataConfig): Promise<string> {
  const path = join(paths.run, 'data.json')
  await writeFile(`${path}.new`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return path
}
