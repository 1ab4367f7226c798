// Formatting, types and lints: each tool counts as one test.
import { join } from 'node:path'
import { runLimited } from './process.ts'
import { failedOne, passedOne, type Result } from './result.ts'

interface Check {
  name: string
  command: string
  args: string[]
  cwd: string
}

const checkLimitMs = 10 * 60_000

/** Without the build that the rust stage makes (and lints). */
export function runLints(root: string): Promise<Result[]> {
  const args = ['clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings']
  const clippy = { name: 'clippy', command: 'cargo', args, cwd: join(root, 'native') }
  return runChecks([clippy])
}

function checks(root: string): Check[] {
  const native = join(root, 'native')
  const tool = (name: string) => join(root, 'node_modules/.bin', name)
  return [
    { name: 'tsc', command: tool('tsc'), args: ['-p', root], cwd: root },
    { name: 'biome', command: tool('biome'), args: ['check', '--error-on-warnings'], cwd: root },
    { name: 'rustfmt', command: 'cargo', args: ['fmt', '--all', '--check'], cwd: native },
  ]
}

export function runStyle(root: string, filter: string | undefined): Promise<Result[]> {
  return runChecks(checks(root).filter(check => !filter || check.name === filter))
}

async function runChecks(list: Check[]): Promise<Result[]> {
  const results: Result[] = []
  for (const check of list) {
    const { command, args, cwd } = check
    const run = await runLimited(command, args, { limitMs: checkLimitMs, cwd })
    const name = `style ${check.name}`
    results.push(
      run.code === 0
        ? passedOne(name, run.ms)
        : failedOne(name, run.ms, `${run.output}\nnext: npm run fix`),
    )
  }
  return results
}
