// Formatting, lints and types: each tool counts as one test.
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

function checks(root: string): Check[] {
  const native = join(root, 'native')
  const tool = (name: string) => join(root, 'node_modules/.bin', name)
  const clippy = ['clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings']
  return [
    { name: 'tsc', command: tool('tsc'), args: ['-p', root], cwd: root },
    { name: 'biome', command: tool('biome'), args: ['check', '--error-on-warnings'], cwd: root },
    { name: 'rustfmt', command: 'cargo', args: ['fmt', '--all', '--check'], cwd: native },
    { name: 'clippy', command: 'cargo', args: clippy, cwd: native },
  ]
}

export async function runStyle(root: string, filter: string | undefined): Promise<Result[]> {
  const results: Result[] = []
  for (const check of checks(root)) {
    if (filter && check.name !== filter) continue
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
