// Short files and functions. What is longer than its budget is written down, and may only shrink.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { measureFunctions, root, type SourceFile } from './sources.ts'

export const fileLinesMax = 500
export const functionLinesMax = 70
/** Longer than this is allowed, but seldom. */
export const fileLinesUsual = 350
export const functionLinesUsual = 40
export const unusualShareMax = 0.05
export const budgetsPath = join(root, 'test/tidy/budgets.json')

export interface Budgets {
  files: Record<string, number>
  functions: Record<string, number>
}

export function measureExcess(files: SourceFile[]): Budgets {
  const excess: Budgets = { files: {}, functions: {} }
  for (const file of files) {
    const lines = file.lines.length - 1
    if (lines > fileLinesMax) excess.files[file.path] = lines
    for (const one of measureFunctions(file))
      if (one.lines > functionLinesMax) excess.functions[one.key] = one.lines
  }
  return excess
}

export function readBudgets(): Budgets {
  return JSON.parse(readFileSync(budgetsPath, 'utf8')) as Budgets
}

/** What is longer than allowed now; and what is allowed and no longer needed. */
export function compareBudgets(
  kind: string,
  found: Record<string, number>,
  allowed: Record<string, number>,
  max: number,
): string[] {
  const faults: string[] = []
  for (const [key, lines] of Object.entries(found)) {
    const limit = allowed[key] ?? max
    if (lines > limit) faults.push(`${kind} ${key} has ${lines} lines, ${limit} are allowed`)
  }
  for (const [key, limit] of Object.entries(allowed)) {
    if ((found[key] ?? 0) < limit)
      faults.push(
        `${kind} ${key} has become shorter than ${limit} lines: npm run fix writes it down`,
      )
  }
  return faults
}
