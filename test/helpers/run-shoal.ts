// Runs bin/shoal as a user would.
import { spawn } from 'node:child_process'
import { join } from 'node:path'

export const shoalPath = join(import.meta.dirname, '../../bin/shoal')

export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  env?: Record<string, string>
  limitMs?: number
}

const limitMsUsual = 60_000

// Tests lose the same peer over and over on purpose, and would wait for it minutes at last.
process.env.SHOAL_RECONCILE_HOLD_BACK_MAX ??= '5s'

export function runShoal(args: string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(shoalPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    timeout: options.limitMs ?? limitMsUsual,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => resolve({ code, stdout, stderr }))
  })
}
