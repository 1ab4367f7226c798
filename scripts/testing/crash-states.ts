// The long form of the store's crash enumeration: hundreds of thousands of states, optimized.
import { join } from 'node:path'
import { countTests } from './cargo.ts'
import { runLimited } from './process.ts'
import { failedOne, type Result } from './result.ts'

const effort = 20
const statesMin = 100_000
const limitMs = 40 * 60_000

export async function runCrashStates(root: string, filter: string | undefined): Promise<Result[]> {
  const args = ['test', '--release', '--locked', '-p', 'shoal-store', filter ?? 'tests::']
  const run = await runLimited('cargo', [...args, '--', '--nocapture'], {
    limitMs,
    cwd: join(root, 'native'),
    env: { ...process.env, SHOAL_STORE_EFFORT: String(effort) },
  })
  const states = Number(/(\d+) crash states/.exec(run.output)?.[1] ?? 0)
  const name = `store crash states (${states})`
  const { passed, failed } = countTests(run.output)
  if (run.timedOut || (run.code !== 0 && failed === 0)) return [failedOne(name, run.ms, run.output)]
  const tooFew = !filter && states < statesMin ? 1 : 0
  const detail = tooFew ? `${run.output}\nfewer than ${statesMin} crash states` : run.output
  return [{ name, passed, failed: failed + tooFew, skipped: [], ms: run.ms, detail }]
}
