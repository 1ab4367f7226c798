// The Rust side: one result for each crate of the workspace.
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { lintedEnv } from './linted.ts'
import { runLimited } from './process.ts'
import { failedOne, type Result, type Skip } from './result.ts'

const buildLimitMs = 15 * 60_000
const crateLimitMs = 6 * 60_000

/** A test program of a crate, as cargo tells of it. */
interface TestProgram {
  crate: string
  path: string
}

/** Built once, for all crates together: crate by crate cargo would build dependencies again. Lints count. */
export async function runCargo(root: string, filter: string | undefined): Promise<Result[]> {
  const cwd = join(root, 'native')
  // Quiet: what cargo says of its progress could fall into the middle of a line of JSON.
  const format = ['--quiet', '--message-format=json-render-diagnostics']
  const args = ['test', '--workspace', '--all-targets', '--locked', '--no-run', ...format]
  const env = lintedEnv()
  const build = await runLimited('cargo', args, { limitMs: buildLimitMs, cwd, env })
  const said = build.output.split('\n').filter(line => !line.startsWith('{"reason":'))
  if (build.code !== 0) return [failedOne('rust build', build.ms, said.join('\n'))]
  const programs = testPrograms(build.output)
  if (programs.length === 0) return [failedOne('rust build', build.ms, 'there is no test program')]
  const results: Result[] = []
  for (const crate of readdirSync(join(cwd, 'crates')).sort()) {
    if (filter && !crate.includes(filter)) continue
    const paths = programs.filter(one => one.crate === crate).map(one => one.path)
    results.push(await runCrate(join(cwd, 'crates', crate), crate, paths))
  }
  return results
}

export function testPrograms(output: string): TestProgram[] {
  return output.split('\n').flatMap(line => {
    if (!line.startsWith('{"reason":"compiler-artifact"')) return []
    const { manifest_path, executable, profile } = JSON.parse(line) as {
      manifest_path: string
      executable: string | null
      profile: { test: boolean }
    }
    if (executable === null || !profile.test) return []
    return [{ crate: basename(dirname(manifest_path)), path: executable }]
  })
}

async function runCrate(cwd: string, crate: string, programs: string[]): Promise<Result> {
  const name = `rust ${crate}`
  const env = { ...process.env, CARGO_MANIFEST_DIR: cwd }
  const result: Result = { name, passed: 0, failed: 0, skipped: [], ms: 0, detail: '' }
  for (const program of programs) {
    const run = await runLimited(program, [], { limitMs: crateLimitMs, cwd, env })
    const { passed, failed, ignored } = countTests(run.output)
    // A crash or the limit ends it without a count of its own.
    const unseen = run.code !== 0 && failed === 0 ? 1 : 0
    result.passed += passed
    result.failed += failed + unseen
    result.skipped.push(...ignored)
    result.ms += run.ms
    result.detail += run.output
    if (run.timedOut) result.detail += `\nhit its limit of ${crateLimitMs / 1000} s`
  }
  return result
}

export function countTests(output: string): { passed: number; failed: number; ignored: Skip[] } {
  let passed = 0
  let failed = 0
  for (const match of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed;/gm)) {
    passed += Number(match[1])
    failed += Number(match[2])
  }
  const ignored = [...output.matchAll(/^test (\S+).* \.\.\. ignored(?:, (.*))?$/gm)].map(match => ({
    name: match[1]!,
    reason: match[2] ?? 'ignored without a reason',
  }))
  return { passed, failed, ignored }
}
