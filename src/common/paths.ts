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
  nbdDir: string
  deviceDir: string
  /** Ed25519 key, 0600. */
  identity: string
  /** Raft log and cluster state, of the data process. */
  meta: string
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
    nbdDir: join(run, 'nbd'),
    deviceDir: join(run, 'devices'),
    identity: join(dir, 'identity.key'),
    meta: join(dir, 'meta'),
    logDir,
    controlLog: join(logDir, 'control.log'),
    dataLog: join(logDir, 'data.log'),
    diskDir: join(dir, 'disks'),
  }
}
