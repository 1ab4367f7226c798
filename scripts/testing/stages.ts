// The stages of a test run, in order: what fails fast comes first.
import { existsSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { runCargo } from './cargo.ts'
import { runCrashStates } from './crash-states.ts'
import { lintedEnv } from './linted.ts'
import { runLimited } from './process.ts'
import { failedOne, type Result } from './result.ts'
import { runLints, runStyle } from './style.ts'
import { runUvuFile } from './uvu-file.ts'

export interface Stage {
  name: string
  /** Only when it is asked for. */
  isExtra?: boolean
  run: (filter: string | undefined) => Promise<Result[]>
}

interface UvuStage {
  name: string
  path: string
  limitMs: number
  /** Files that run at once; those with real processes get the machine to themselves. */
  width: number
  needsAddon: boolean
}

const uvuStages: UvuStage[] = [
  { name: 'tidy', path: 'test/tidy.test.ts', limitMs: 60_000, width: 1, needsAddon: false },
  { name: 'unit', path: 'test/unit', limitMs: 180_000, width: 2, needsAddon: false },
  { name: 'golden', path: 'test/golden', limitMs: 60_000, width: 2, needsAddon: false },
  { name: 'binding', path: 'test/binding', limitMs: 60_000, width: 1, needsAddon: true },
  { name: 'e2e', path: 'test/e2e', limitMs: 240_000, width: 1, needsAddon: true },
  { name: 'vm', path: 'test/vm', limitMs: 600_000, width: 1, needsAddon: true },
]

const buildLimitMs = 15 * 60_000

export function allStages(root: string, isLong: boolean): Stage[] {
  const uvu = uvuStages.map(stage => ({
    name: stage.name,
    run: (filter: string | undefined) => runUvuStage(root, stage, isLong, filter),
  }))
  const [tidy, unit, ...rest] = uvu
  const crash = { name: 'crash', run: (filter: string | undefined) => runCrashStates(root, filter) }
  return [
    tidy!,
    unit!,
    { name: 'style', run: filter => runStyle(root, filter) },
    { name: 'lint', isExtra: true, run: () => runLints(root) },
    { name: 'rust', run: filter => runCargo(root, filter) },
    ...(isLong ? [crash] : []),
    ...rest,
  ]
}

async function runUvuStage(
  root: string,
  stage: UvuStage,
  isLong: boolean,
  filter: string | undefined,
): Promise<Result[]> {
  const paths = testFiles(join(root, stage.path), isLong).filter(
    path => !filter || relative(root, path).includes(filter),
  )
  if (paths.length === 0) return []
  if (stage.needsAddon) {
    const build = await buildAddon(root, isLong)
    if (build.code !== 0) return [failedOne(`${stage.name} build`, build.ms, build.output)]
  }
  return runAll(paths, stage.width, path =>
    runUvuFile({
      name: relative(join(root, 'test'), path),
      path,
      limitMs: stage.limitMs * (isLong ? 10 : 1),
      root,
    }),
  )
}

/** The long run tests what a clone runs; the short one has no time to compile all of it again. */
function buildAddon(root: string, isLong: boolean): ReturnType<typeof runLimited> {
  const args = isLong ? [] : ['--checked']
  const env = isLong ? process.env : lintedEnv()
  return runLimited(join(root, 'scripts/build'), args, { limitMs: buildLimitMs, env })
}

/** All test files below a path; `*.long.test.ts` only in the long run. */
function testFiles(path: string, isLong: boolean): string[] {
  if (path.endsWith('.test.ts')) return existsSync(path) ? [path] : []
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts') && (isLong || !name.endsWith('.long.test.ts')))
    .sort()
    .map(name => join(path, name))
}

async function runAll<T>(
  paths: string[],
  width: number,
  run: (path: string) => Promise<T>,
): Promise<T[]> {
  const results = new Array<T>(paths.length)
  let next = 0
  const worker = async () => {
    while (next < paths.length) {
      const index = next++
      results[index] = await run(paths[index]!)
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}
