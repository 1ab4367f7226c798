// Runs guest scripts (test/vm/scripts, through test/vm/run) for the tests of this directory.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lintedEnv } from '../../scripts/testing/linted.ts'

const guestLimitSeconds = 540
/** By this code a test file says that the machine cannot run it; its last line says why. */
const skipExitCode = 77

export const root = join(import.meta.dirname, '..', '..')

/** Ends this process unless the machine can start a guest. */
export function needGuest(): void {
  const reason = whyNoGuest()
  if (!reason) return
  console.log(reason)
  process.exit(skipExitCode)
}

export function whyNoGuest(): string | undefined {
  if (process.getuid?.() !== 0) return 'a guest needs root: it shares the root directory'
  if (process.arch !== 'x64') return 'guests are x86-64'
  if (!existsSync('/usr/bin/apt-get')) return 'the guest kernel comes by apt-get'
  return undefined
}

/** Debian packages that only some scripts need; the guest sees this machine's root directory. */
export function preparePackages(...packages: string[]): void {
  execFileSync(join(root, 'test', 'vm', 'prepare'), packages, { stdio: 'pipe' })
}

/** The program that a script drives: the one named by the environment, or an example built here. */
export function serverOf(
  variable: string,
  crate: string,
  example: string,
  profile: 'debug' | 'release' = 'debug',
): string {
  const named = process.env[variable]
  if (named) return named
  const args = ['build', '--quiet', '-p', crate, '--example', example]
  if (profile === 'release') args.push('--release')
  // As the tests of the crates are built: nothing is compiled again.
  const env = profile === 'debug' ? lintedEnv() : process.env
  execFileSync('cargo', args, { cwd: join(root, 'native'), stdio: 'inherit', env })
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'native', 'target')
  return join(target, profile, 'examples', example)
}

export interface GuestOptions {
  limitSeconds?: number
  memoryMib?: number
  /** Of the script. */
  args?: string[]
}

/** Runs a script in a guest of its own, with `env` there; fails unless it ends with 0. */
export function runInGuest(
  script: string,
  env: Record<string, string>,
  { limitSeconds = guestLimitSeconds, memoryMib = 2048, args = [] }: GuestOptions = {},
): void {
  const pairs = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`])
  const sizes = ['--limit', String(limitSeconds), '--memory', String(memoryMib)]
  const command = [script, ...sizes, ...pairs, '--', ...args]
  const result = spawnSync(join(root, 'test', 'vm', 'run'), command, { encoding: 'utf8' })
  const output = `${result.stdout}${result.stderr}`
  if (result.status !== 0) throw new Error(`${script} ended with ${result.status}\n${output}`)
}
