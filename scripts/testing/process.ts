// Child processes with a hard limit: whatever a test leaves behind dies with its process group.
import { spawn } from 'node:child_process'

export interface Finished {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  timedOut: boolean
  ms: number
}

export interface Limits {
  limitMs: number
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** Called with all output so far; true starts the grace period for the process to end. */
  isDone?: (output: string) => boolean
}

const outputCharsMax = 4 * 1024 * 1024
const graceMs = 5_000

export function runLimited(command: string, args: string[], limits: Limits): Promise<Finished> {
  const started = performance.now()
  const child = spawn(command, args, {
    cwd: limits.cwd,
    env: limits.env ?? process.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let timedOut = false
  const expire = () => {
    timedOut = true
    killGroup(child.pid)
  }
  let timer = setTimeout(expire, limits.limitMs)
  let isGraceRunning = false
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-outputCharsMax)
    if (isGraceRunning || !limits.isDone?.(output)) return
    isGraceRunning = true
    clearTimeout(timer)
    timer = setTimeout(expire, graceMs)
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  return new Promise(resolve => {
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      clearTimeout(timer)
      killGroup(child.pid)
      resolve({ code, signal, output, timedOut, ms: performance.now() - started })
    }
    child.on('error', error => {
      output += `${error.message}\n`
      finish(127, null)
    })
    // EXIT, not close: a child that a test left behind may hold our pipes open.
    child.on('exit', (code, signal) => setImmediate(finish, code, signal))
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // The group is gone already.
  }
}
