// Writes test/golden/placement-tables.json. Run by hand when the algorithm's version rises.

import { writeFileSync } from 'node:fs'
import { GOLDEN_CASES, goldenSteps } from './golden-cases.ts'

const golden = GOLDEN_CASES.map(one => ({
  name: one.name,
  sha256: goldenSteps(one, list => list.slice()),
}))
const file = new URL('../../golden/placement-tables.json', import.meta.url)
writeFileSync(file, `${JSON.stringify(golden, null, 2)}\n`)
