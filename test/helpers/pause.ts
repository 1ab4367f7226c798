// Stops processes for a while as a hypervisor or an operator would.
import { readdirSync, readFileSync } from 'node:fs'
import { sleep } from './sleep.ts'

/** Returns once every thread stands still: a stop reaches them one after the other. */
export async function pause(pids: readonly number[]): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP')
  for (const pid of pids) while (!isStopped(pid)) await sleep(5)
}

export function wake(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, 'SIGCONT')
}

function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every(task => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
    return / [Tt] /.test(stat.replace(/\(.*\)/, ''))
  })
}
