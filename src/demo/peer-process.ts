// The processes of one peer of a demo: started, found, ended. A pid counts only together with the
// start time of its process.
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ApiClient } from '../api/client.ts'
import { poll } from '../common/clock.ts'
import { ShoalError } from '../common/errors.ts'
import { makeDir } from '../common/make-dir.ts'
import { peerPaths } from '../common/paths.ts'
import {
  isAlive,
  type ProcessIdentity,
  readPidFile,
  signalProcess,
  writePidFile,
} from '../common/process-identity.ts'
import { packageRoot } from '../common/version.ts'
import { type DemoPeer, peerSettings } from './plan.ts'

export const readyMsUsual = 20_000
const stopMs = 6_000
const pollMs = 20

export interface PeerProcesses {
  control: ProcessIdentity | undefined
  data: ProcessIdentity | undefined
}

export function findProcesses(peer: DemoPeer): PeerProcesses {
  const paths = peerPaths(peer.dir)
  return { control: readPidFile(paths.controlPid), data: readPidFile(paths.dataPid) }
}

export function apiOf(peer: DemoPeer): ApiClient {
  return new ApiClient(peerPaths(peer.dir).apiSocket)
}

/** True when it had to be started; it answers when this returns. */
export async function startPeer(peer: DemoPeer, readyMs = readyMsUsual): Promise<boolean> {
  const isRunning = findProcesses(peer).control !== undefined
  if (!isRunning) spawnControl(peer)
  const paths = peerPaths(peer.dir)
  const isReady = await poll(readyMs, pollMs, async () => {
    if (!readPidFile(paths.controlPid) && isSpawnedGone(peer)) return false
    return (await isAnswering(peer)) ? true : undefined
  })
  if (isReady) return !isRunning
  throw new ShoalError('unreachable', `peer ${peer.name} did not start`, {
    why: lastLine(paths.controlLog) ?? lastLine(paths.dataLog) ?? 'it wrote no reason',
    next: `see ${paths.controlLog} and ${paths.dataLog}`,
  })
}

const spawnedPid = (peer: DemoPeer) => join(peer.dir, 'run/spawned.pid')

function spawnControl(peer: DemoPeer): void {
  const paths = peerPaths(peer.dir)
  makeDir(paths.run)
  makeDir(paths.logDir)
  writeFileSync(paths.config, peerSettings(peer))
  const log = openSync(paths.controlLog, 'a')
  const argv = [
    ...process.execArgv,
    join(packageRoot, 'bin/run.js'),
    'daemon',
    'run',
    '--dir',
    peer.dir,
  ]
  const child = spawn(process.execPath, argv, {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: peer.dir,
  })
  closeSync(log)
  child.unref()
  if (child.pid !== undefined) writePidFile(spawnedPid(peer), child.pid)
}

/** It ended before it could write a pid file of its own. */
function isSpawnedGone(peer: DemoPeer): boolean {
  return readPidFile(spawnedPid(peer)) === undefined
}

async function isAnswering(peer: DemoPeer): Promise<boolean> {
  return apiOf(peer)
    .text('/readyz')
    .then(
      () => true,
      () => false,
    )
}

/** Orderly; by force when it does not end in time. */
export async function stopPeer(peer: DemoPeer): Promise<void> {
  const { control, data } = findProcesses(peer)
  const asked = control ? signalProcess(control, 'SIGTERM') : false
  if (!asked && data) signalProcess(data, 'SIGTERM')
  await waitGone([control, data], stopMs)
  await killPeer(peer)
}

/** SIGKILL for all its processes, as a power cut would. */
export async function killPeer(peer: DemoPeer): Promise<void> {
  // CONTROL FIRST: it would start the data process again.
  const { control } = findProcesses(peer)
  if (control) signalProcess(control, 'SIGKILL')
  await waitGone([control], stopMs)
  const { data } = findProcesses(peer)
  if (data) signalProcess(data, 'SIGKILL')
  await waitGone([data], stopMs)
  rmSync(spawnedPid(peer), { force: true })
}

async function waitGone(
  processes: (ProcessIdentity | undefined)[],
  limitMs: number,
): Promise<void> {
  await poll(limitMs, pollMs, () =>
    processes.some(one => one !== undefined && isAlive(one)) ? undefined : true,
  )
}

function lastLine(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').at(-1) || null
  } catch {
    return null
  }
}
