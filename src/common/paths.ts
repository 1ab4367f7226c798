// Where a peer keeps what: everything lies below its directory.
import { join } from 'node:path'

/** Longest path of a unix socket that the kernel takes, with its final zero. */
export const socketPathBytesMax = 107

export interface PeerPaths {
  dir: string
  config: string
  /** Sockets and process ids; lost without harm at a reboot. */
  run: string
  apiSocket: string
  dataSocket: string
  controlPid: string
  dataPid: string
  /** Where NBD clients connect; the name of the export tells the volume. */
  nbdSocket: string
  deviceDir: string
  /** Ed25519 key, 0600. */
  identity: string
  logDir: string
  controlLog: string
  dataLog: string
  diskDir: string
}

export function peerPaths(dir: string): PeerPaths {
  const run = join(dir, 'run')
  const logDir = join(dir, 'log')
  return {
    dir,
    config: join(dir, 'shoal.toml'),
    run,
    apiSocket: join(run, 'shoal.sock'),
    dataSocket: join(run, 'data.sock'),
    controlPid: join(run, 'control.pid'),
    dataPid: join(run, 'data.pid'),
    nbdSocket: join(run, 'nbd.sock'),
    deviceDir: join(run, 'devices'),
    identity: join(dir, 'identity.key'),
    logDir,
    controlLog: join(logDir, 'control.log'),
    dataLog: join(logDir, 'data.log'),
    diskDir: join(dir, 'disks'),
  }
}
