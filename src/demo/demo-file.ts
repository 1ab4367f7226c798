// demo.json: what a demo consists of, so that later commands find it again.
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ShoalError } from '../common/errors.ts'
import { makeDir } from '../common/make-dir.ts'
import { readPidFile, writePidFile } from '../common/process-identity.ts'
import type { Demo } from './plan.ts'

/** In the directory of a demo, beside one directory for each peer. */
export const demoFiles = ['demo.json', 'demo.json.new', 'demo.lock']

export function defaultDemoDir(env: NodeJS.ProcessEnv): string {
  const state = env.XDG_STATE_HOME || join(homedir(), '.local/state')
  return join(state, 'shoal/demo')
}

export function readDemo(dir: string): Demo | undefined {
  let text: string
  try {
    text = readFileSync(join(dir, 'demo.json'), 'utf8')
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw thrown
  }
  try {
    const demo = JSON.parse(text) as Demo
    if (demo.format === 1 && Array.isArray(demo.peers)) return demo
  } catch {
    // Falls through to the error below.
  }
  throw new ShoalError('conflict', `${join(dir, 'demo.json')} is no demo of this version`, {
    next: 'choose another directory: --dir',
  })
}

export function makeDemoDir(dir: string): void {
  try {
    makeDir(dir)
  } catch (thrown) {
    throw new ShoalError('usage', `${dir} cannot be the directory of a demo`, {
      why: (thrown as Error).message,
      next: 'choose another one: --dir',
    })
  }
}

function isOurs(name: string): boolean {
  return demoFiles.includes(name) || name.startsWith('demo.lock.')
}

/** A demo ends with the removal of what is in its directory: nothing of anybody else may be there. */
export function requireEmpty(dir: string): void {
  if (readdirSync(dir).every(isOurs)) return
  throw new ShoalError('conflict', `${dir} is not empty, and there is no demo in it`, {
    next: 'choose a new or an empty directory: --dir',
  })
}

export function requireDemo(dir: string): Demo {
  const demo = readDemo(dir)
  if (demo) return demo
  throw new ShoalError('not_found', `there is no demo in ${dir}`, {
    next: 'start one: shoal demo up; or name its directory: --dir',
  })
}

export function writeDemo(demo: Demo): void {
  const path = join(demo.dir, 'demo.json')
  writeFileSync(`${path}.new`, `${JSON.stringify(demo, null, 2)}\n`)
  renameSync(`${path}.new`, path)
}

/** One command at a time changes a demo; a lock whose holder died is taken over. */
export async function withDemoLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = join(dir, 'demo.lock')
  takeLock(path)
  try {
    return await work()
  } finally {
    rmSync(path, { force: true })
  }
}

function takeLock(path: string): void {
  // Linked, so that it is never seen without the pid in it.
  const own = `${path}.${process.pid}`
  writePidFile(own, process.pid)
  try {
    linkSync(own, path)
  } catch {
    if (readPidFile(path)) {
      throw new ShoalError('busy', 'another command is changing this demo', {
        next: 'wait for it to end, then repeat',
      })
    }
    renameSync(own, path)
  } finally {
    rmSync(own, { force: true })
  }
}
