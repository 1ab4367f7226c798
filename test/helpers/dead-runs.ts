// What a test that was killed leaves behind: network namespaces with running peers, bridges,
// directories. The next test that needs such things clears it away. All of it is named after the
// process that made it.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const namespaceName = /^sh(\d+)-p\d+$/
const directoryName = /^shoal-net-(\d+)-/

export function tagOf(pid: number): string {
  return `sh${pid}`
}

export function clearDeadRuns(): void {
  const names = run('ip', 'netns', 'list')
    .split('\n')
    .map(line => line.split(' ')[0]!)
  const tags = new Set<string>()
  for (const name of names) {
    const pid = Number(namespaceName.exec(name)?.[1] ?? 0)
    if (pid === 0 || isTesting(pid)) continue
    tags.add(tagOf(pid))
    for (const inside of run('ip', 'netns', 'pids', name).split('\n')) kill(Number(inside))
    run('ip', 'netns', 'del', name)
  }
  for (const tag of tags) run('ip', 'link', 'del', tag)
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(directoryName.exec(name)?.[1] ?? 0)
    if (pid > 0 && !isTesting(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

/** A number alone may be that of another process by now. */
function isTesting(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('test/')
  } catch {
    return false
  }
}

function kill(pid: number): void {
  if (!(pid > 1)) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

/** Two that clear at the same time get in each other's way, which does no harm. */
function run(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}
