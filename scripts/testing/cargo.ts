// The Rust side: one result for each crate of the workspace.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { runLimited } from './process.ts'
import { failedOne, type Result, type Skip } from './result.ts'

const buildLimitMs = 15 * 60_000
const crateLimitMs = 6 * 60_000

export async function runCargo(root: string, filter: string | undefined): Promise<Result[]> {
  const cwd = join(root, 'native')
  const build = await runLimited('cargo', ['test', '--workspace', '--locked', '--no-run'], {
    limitMs: buildLimitMs,
    cwd,
  })
  if (build.code !== 0) return [failedOne('rust build', build.ms, build.output)]
  const results: Result[] = []
  for (const crate of readdirSync(join(cwd, 'crates')).sort()) {
    if (filter && !crate.includes(filter)) continue
    results.push(await runCrate(cwd, crate))
  }
  return results
}

async function runCrate(cwd: string, crate: string): Promise<Result> {
  const name = `rust ${crate}`
  const args = ['test', '--locked', '-p', `shoal-${crate}`]
  const run = await runLimited('cargo', args, { limitMs: crateLimitMs, cwd })
  const { passed, failed, ignored } = countTests(run.output)
  if (run.timedOut)
    return failedOne(name, run.ms, `${run.output}\nhit its limit of ${crateLimitMs / 1000} s`)
  // A crash ends cargo without a count of its own.
  const unseen = run.code !== 0 && failed === 0 ? 1 : 0
  return {
    name,
    passed,
    failed: failed + unseen,
    skipped: ignored,
    ms: run.ms,
    detail: run.output,
  }
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
