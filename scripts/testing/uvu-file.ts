// Runs one uvu file in its own process and reads its summary. uvu itself would pass a file that
// forgot `.run()`, hang for ever on an open handle, and let `.only` hide the rest; none of that
// passes here.
import { readFileSync } from 'node:fs'
import { runLimited } from './process.ts'
import { failedOne, type Result } from './result.ts'

/** Exit code by which a test file says that this machine cannot run it; the last line says why. */
export const skipExitCode = 77

const summaryPattern = /Total:\s+(\d+)\s+Passed:\s+(\d+)\s+Skipped:\s+(\d+)/

export interface UvuFile {
  name: string
  path: string
  limitMs: number
  root: string
}

export async function runUvuFile(file: UvuFile): Promise<Result> {
  const fault = staticFault(readFileSync(file.path, 'utf8'))
  if (fault) return failedOne(file.name, 0, fault)
  const run = await runLimited(process.execPath, [file.path], {
    limitMs: file.limitMs,
    cwd: file.root,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    isDone: output => summaryPattern.test(output),
  })
  const output = run.output
  const counted = summaryPattern.exec(output)
  if (run.code === skipExitCode && !counted) {
    const reason = output.trimEnd().split('\n').at(-1) || 'no reason was given'
    const skipped = [{ name: file.name, reason }]
    return { name: file.name, passed: 0, failed: 0, skipped, ms: run.ms, detail: output }
  }
  if (run.timedOut) {
    const why = counted
      ? 'did not end after its summary: something holds it open'
      : `hit its limit of ${file.limitMs / 1000} s`
    return failedOne(file.name, run.ms, `${output}\n${file.name} ${why}`)
  }
  if (!counted) return failedOne(file.name, run.ms, `${output}\n${file.name} printed no summary`)
  return tally(file.name, counted, run.code, run.ms, output)
}

function tally(
  name: string,
  counted: RegExpExecArray,
  code: number | null,
  ms: number,
  output: string,
): Result {
  const [total, passed, skipped] = counted.slice(1).map(Number) as [number, number, number]
  if (total === 0) return failedOne(name, ms, `${output}\n${name} ran no test`)
  if (skipped > 0) return failedOne(name, ms, `${output}\n${name} skips tests by itself`)
  const failed = Math.max(total - passed, code === 0 ? 0 : 1)
  return { name, passed, failed, skipped: [], ms, detail: output }
}

export function staticFault(source: string): string | undefined {
  if (!/\.run\(\)/.test(source))
    return 'the file never calls .run(), so none of its tests would run'
  if (/\.only\(/.test(source)) return 'the file uses .only, which hides its other tests'
  if (/\.skip\(/.test(source)) return 'the file uses .skip; a test runs or is not there'
  return undefined
}
