// The golden files of the placement in Rust, compiled for arm64 and run there: on an arm64 machine as it
// is, elsewhere under QEMU. docs/placement.md says what has to be installed.
import { execFileSync } from 'node:child_process'
import { arch } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { skipExitCode } from '../../../scripts/testing/uvu-file.ts'

const target = 'aarch64-unknown-linux-gnu'
const linker = 'aarch64-linux-gnu-gcc'
/** Libraries of the other machine, as Debian's cross compiler brings them. */
const sysroot = '/usr/aarch64-linux-gnu'
const tests = ['placement_hash_golden', 'placement_shards_golden']
const limitMs = 500_000

const golden = suite('placement golden files on arm64')

function has(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Undefined: this machine is one. */
function emulator(): string | undefined {
  return ['qemu-aarch64-static', 'qemu-aarch64'].find(name => has(name, '--version'))
}

function missing(): string | undefined {
  if (!has('cargo', '--version')) return 'cargo is not there'
  if (arch() === 'arm64') return undefined
  if (emulator() === undefined) return 'qemu-aarch64 is not there: apt install qemu-user-static'
  if (!has(linker, '--version')) return `${linker} is not there: apt install gcc-aarch64-linux-gnu`
  const installed = execFileSync('rustc', ['--print', 'target-libdir', '--target', target])
  return has('ls', `${installed}`.trim()) ? undefined : `no ${target}: rustup target add ${target}`
}

function environment(): NodeJS.ProcessEnv {
  if (arch() === 'arm64') return process.env
  return {
    ...process.env,
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: linker,
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: `${emulator()} -L ${sysroot}`,
  }
}

golden('hash and shards are the same bits', () => {
  const args = ['test', '--locked', '-p', 'shoal-types', '--target', target]
  const output = execFileSync('cargo', [...args, ...tests.flatMap(name => ['--test', name])], {
    cwd: join(import.meta.dirname, '../../../native'),
    env: environment(),
    encoding: 'utf8',
    timeout: limitMs,
    stdio: 'pipe',
  })
  const passed = [...output.matchAll(/test result: ok\. (\d+) passed/g)].map(([, n]) => Number(n))
  assert.is(passed.length, tests.length, output)
  assert.ok(
    passed.every(count => count > 0),
    output,
  )
})

const why = missing()
if (why !== undefined) {
  console.log(why)
  process.exit(skipExitCode)
}
golden.run()
