// What a stage of the test run hands back, and how the results of all stages are printed.

export interface Skip {
  name: string
  reason: string
}

export interface Result {
  name: string
  passed: number
  failed: number
  skipped: Skip[]
  ms: number
  /** Printed when something failed. */
  detail: string
}

const detailLinesMax = 120

export function passedOne(name: string, ms: number): Result {
  return { name, passed: 1, failed: 0, skipped: [], ms, detail: '' }
}

export function failedOne(name: string, ms: number, detail: string): Result {
  return { name, passed: 0, failed: 1, skipped: [], ms, detail }
}

export function line(result: Result): string {
  const mark = result.failed > 0 ? 'FAIL' : result.skipped.length > 0 ? 'skip' : 'ok  '
  const counts = `${result.passed} passed${result.failed > 0 ? `, ${result.failed} failed` : ''}`
  return `${mark}  ${result.name}  ${counts}  ${(result.ms / 1000).toFixed(1)} s`
}

export function detailTail(result: Result): string {
  const lines = result.detail.trimEnd().split('\n')
  const tail = lines.slice(-detailLinesMax).map(text => `      ${text}`)
  if (lines.length > detailLinesMax)
    tail.unshift(`      ... ${lines.length - detailLinesMax} lines before`)
  return tail.join('\n')
}

export function summary(results: Result[]): string {
  const passed = results.reduce((sum, one) => sum + one.passed, 0)
  const failed = results.reduce((sum, one) => sum + one.failed, 0)
  const skipped = results.reduce((sum, one) => sum + one.skipped.length, 0)
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** In CI nothing may be skipped: what was not tested counts as failed. */
export function withoutSkips(result: Result): Result {
  if (result.skipped.length === 0) return result
  const reasons = result.skipped.map(skip => `${skip.name} was skipped: ${skip.reason}`).join('\n')
  return {
    ...result,
    failed: result.failed + result.skipped.length,
    skipped: [],
    detail: `${result.detail}\nnothing may be skipped in CI\n${reasons}`,
  }
}
