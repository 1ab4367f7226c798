// How long a client waits when something happens to the cluster: four peers in network namespaces on
// this machine, three with a disk. `npm run bench:stalls -- --trials 50 [--case NAME,...]
// [--explain MS]`. Needs root.
import { parseArgs } from 'node:util'
import { ShoalError } from '../../../src/common/errors.ts'
import { StallBench } from './bench.ts'
import { cases, type Sample } from './cases.ts'

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '50' },
    case: { type: 'string' },
    explain: { type: 'string' },
  },
})
const trials = Number(values.trials)
const wanted = values.case?.split(',') ?? cases.map(one => one.key)

async function main(): Promise<void> {
  const chosen = wanted.map(key => {
    const found = cases.find(one => one.key === key)
    if (found) return found
    const next = `choose from ${cases.map(one => one.key).join(', ')}`
    throw new ShoalError('usage', `there is no case ${key}`, { next })
  })
  const bench = new StallBench({ explainMs: Number(values.explain ?? Number.POSITIVE_INFINITY) })
  try {
    await bench.up()
    console.log('| | trials | p50 | p99 | max | p99.9 of all writes | aim |')
    console.log('|---|---|---|---|---|---|---|')
    for (const { name, aim, measure } of chosen) {
      const samples: Sample[] = []
      for (let trial = 0; trial < trials; trial++) samples.push(await measure(bench, trial))
      console.log(`| ${name} | ${trials} | ${figures(samples)} | ${aim} |`)
    }
  } finally {
    await bench.down()
  }
}

/** Of the longest wait of each trial, in ms; and the worst p99.9 of a trial's writes, in the middle. */
function figures(samples: readonly Sample[]): string {
  const longest = samples.map(sample => sample.longestMs).sort((a, b) => a - b)
  const tails = samples.flatMap(sample => sample.p999Ms ?? []).sort((a, b) => a - b)
  const tail = tails.length === 0 ? '' : text(at(tails, 0.5))
  return [at(longest, 0.5), at(longest, 0.99), at(longest, 1)].map(text).concat(tail).join(' | ')
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}

function text(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : String(Math.round(ms))
}

await main()
