// The long form of the crash enumerations, optimized: hundreds of thousands of states of the store, and
// as many of the consensus log.
import { join } from 'node:path'
import { countTests } from './cargo.ts'
import { runLimited } from './process.ts'
import { failedOne, type Result } from './result.ts'

const effort = 20
const statesMin = 100_000
const limitMs = 40 * 60_000
const subjects = [
  { name: 'store', crate: 'shoal-store', tests: 'tests::' },
  { name: 'consensus log', crate: 'shoal-meta', tests: 'crash_states' },
]

export async function runCrashStates(root: string, filter: string | undefined): Promise<Result[]> {
  const results: Result[] = []
  for (const subject of subjects) results.push(await runSubject(root, subject, filter))
  return results
}

async function runSubject(
  root: string,
  { name: what, crate, tests }: (typeof subjects)[number],
  filter: string | undefined,
): Promise<Result> {
  const args = ['test', '--release', '--locked', '-p', crate, filter ?? tests]
  const run = await runLimited('cargo', [...args, '--', '--nocapture'], {
    limitMs,
    cwd: join(root, 'native'),
    env: { ...process.env, SHOAL_STORE_EFFORT: String(effort) },
  })
  const counts = [...run.output.matchAll(/(\d+) crash states/g)].map(([, count]) => Number(count))
  const states = counts.reduce((sum, count) => sum + count, 0)
  const name = `${what} crash states (${states})`
  const { passed, failed } = countTests(run.output)
  if (run.timedOut || (run.code !== 0 && failed === 0)) return failedOne(name, run.ms, run.output)
  const tooFew = !filter && states < statesMin ? 1 : 0
  const detail = tooFew ? `${run.output}\nfewer than ${statesMin} crash states` : run.output
  return { name, passed, failed: failed + tooFew, skipped: [], ms: run.ms, detail }
}
