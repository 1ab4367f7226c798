// Runs every test there is and ends with one line: `N passed, N failed` (`, N skipped`).
//   scripts/test [--only STAGE[:FILTER][,...]] [--long]
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { detailTail, line, type Result, summary, withoutSkips } from './testing/result.ts'
import { allStages, type Stage } from './testing/stages.ts'

const root = join(import.meta.dirname, '..')

interface Choice {
  stage: string
  filter: string | undefined
}

function choices(only: string | undefined, stages: Stage[]): Choice[] {
  if (only === undefined) {
    const all = stages.filter(stage => !stage.isExtra)
    return all.map(stage => ({ stage: stage.name, filter: undefined }))
  }
  return only.split(',').map(text => {
    const [stage = '', filter] = text.split(':')
    if (!stages.some(one => one.name === stage)) {
      const names = stages.map(one => one.name).join(', ')
      console.error(`error: there is no test stage named "${stage}"\nnext:  choose from ${names}`)
      process.exit(2)
    }
    return { stage, filter }
  })
}

function print(result: Result): void {
  console.log(line(result))
  for (const skip of result.skipped) console.log(`      skipped ${skip.name}: ${skip.reason}`)
  if (result.failed > 0) console.log(detailTail(result))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, long: { type: 'boolean', default: false } },
  })
  process.env.PATH += `:${process.env.CARGO_HOME ?? `${process.env.HOME}/.cargo`}/bin`
  const isCi = Boolean(process.env.CI)
  const stages = allStages(root, values.long)
  const results: Result[] = []
  for (const { stage, filter } of choices(values.only, stages)) {
    const found = await stages.find(one => one.name === stage)!.run(filter)
    for (const result of found.map(one => (isCi ? withoutSkips(one) : one))) {
      results.push(result)
      print(result)
    }
  }
  const ran = results.reduce((sum, one) => sum + one.passed + one.failed + one.skipped.length, 0)
  if (ran === 0) console.log('no test was run: the filter matches none')
  console.log(summary(results))
  process.exitCode = ran > 0 && results.every(one => one.failed === 0) ? 0 : 1
}

await main()
