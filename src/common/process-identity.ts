// Which process a pid file means: a pid alone may have been given to another process since, so the
// start time of the process goes with it.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

export interface ProcessIdentity {
  pid: number
  /** Clock ticks after boot, field 22 of /proc/PID/stat. */
  startTicks: number
}

/** Undefined when there is no such process, or only its remains (a zombie). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  return parseStat(pid, stat)
}

/** The command name, field 2, may contain blanks and parentheses: fields count from the last. */
export function parseStat(pid: number, stat: string): ProcessIdentity | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const startTicks = Number(fields[19])
  if (fields[0] === 'Z' || fields[0] === 'X' || !Number.isInteger(startTicks)) return undefined
  return { pid, startTicks }
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTicks === identity.startTicks
}

/** The process that wrote the file, if it is still the same one. */
export function readPidFile(path: string): ProcessIdentity | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const [pid, startTicks] = text.trim().split(' ').map(Number)
  if (!Number.isInteger(pid) || !Number.isInteger(startTicks)) return undefined
  const identity = { pid: pid!, startTicks: startTicks! }
  return isAlive(identity) ? identity : undefined
}

export function writePidFile(path: string, pid: number): ProcessIdentity | undefined {
  const identity = identifyProcess(pid)
  if (!identity) return undefined
  writeFileSync(`${path}.new`, `${identity.pid} ${identity.startTicks}\n`, { mode: 0o644 })
  renameSync(`${path}.new`, path)
  return identity
}

/** Sends a signal only to the very process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false
  try {
    process.kill(identity.pid, signal)
    return true
  } catch {
    return false
  }
}
