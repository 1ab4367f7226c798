// Writes down how long the files and functions beyond their budget are. They may only shrink; a new
// one is refused here and by test/tidy.test.ts.
import { existsSync, writeFileSync } from 'node:fs'
import { type Budgets, budgetsPath, measureExcess, readBudgets } from '../test/tidy/budgets.ts'
import { sourceFiles } from '../test/tidy/sources.ts'

const files = sourceFiles(/^(src|scripts|test)\/.*\.ts$|^native\/crates\/.*\.rs$/)
const found = measureExcess(files)
const known: Budgets = existsSync(budgetsPath) ? readBudgets() : found

function shrunk(present: Record<string, number>, allowed: Record<string, number>) {
  const kept = Object.entries(present).filter(([key]) => allowed[key] !== undefined)
  return Object.fromEntries(kept.map(([key, lines]) => [key, Math.min(lines, allowed[key]!)]))
}

const budgets: Budgets = {
  files: shrunk(found.files, known.files),
  functions: shrunk(found.functions, known.functions),
}
writeFileSync(budgetsPath, `${JSON.stringify(budgets, null, 2)}\n`)
