// Shows an error: to people what, why and what next; under --json one object as well. Never a
// stack.
import { describe, ShoalError, toProblem, toShoalError } from '../common/errors.ts'
import { type ExitCode, exitCode } from '../common/exit-code.ts'
import { whatNext } from './what-next.ts'

/** The flags may not have been parsed yet, so the words themselves are asked. */
export function wantsJson(argv: readonly string[]): boolean {
  const words = argv.slice(0, argv.indexOf('--') >>> 0)
  return words.some(
    (word, index) =>
      word === '--json' ||
      word === '-ojson' ||
      word === '--output=json' ||
      (word === 'json' && ['-o', '--output'].includes(words[index - 1] ?? '')),
  )
}

export function reportError(thrown: unknown, isJson: boolean): ExitCode {
  const exited = thrown as { code?: string; oclif?: { exit?: number } }
  if (exited?.code === 'EEXIT') return (exited.oclif?.exit ?? 0) as ExitCode
  const error = withNext(fromParser(thrown) ?? toShoalError(thrown))
  if (isJson)
    process.stdout.write(`${JSON.stringify({ schema_version: 1, error: toProblem(error) })}\n`)
  process.stderr.write(`${describe(error)}\n`)
  if (process.env.SHOAL_DEBUG && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`)
  return error.exit
}

function withNext(error: ShoalError): ShoalError {
  if (error.next) return error
  const { why, data } = error
  return new ShoalError(error.code, error.message, { why, data, next: whatNext[error.code] })
}

/** What oclif's parser throws is wrong usage; its message goes on for lines. */
function fromParser(thrown: unknown): ShoalError | undefined {
  const error = thrown as { oclif?: { exit?: number }; parse?: unknown; message?: string }
  if (thrown instanceof ShoalError || !(error?.oclif || error?.parse)) return undefined
  const lines = (error.message ?? '').split('\n').map(line => line.trim())
  const told = lines.filter(line => line !== '' && line !== 'See more help with --help')
  const [what = '', ...rest] = saidShortly(told)
  return new ShoalError('usage', what.charAt(0).toLowerCase() + what.slice(1), {
    why: rest.length > 0 ? rest.join('; ') : null,
    next: 'add --help to see how the command is used',
  })
}

/** A first line that only announces the second one is left out. */
function saidShortly([first = '', ...rest]: string[]): string[] {
  if (/^The following errors? occurred/.test(first)) {
    return rest.map(line => line.replace(/^Missing required flag (\S+)$/, 'missing flag: --$1'))
  }
  const missing = /^Missing \d+ required args?:?$/.test(first)
  if (missing) return [`missing argument: ${rest[0]?.split(/\s/)[0] ?? ''}`, ...rest.map(spaced)]
  const flag = /^Parsing (--\S+)$/.exec(first)?.[1]
  return flag ? [`${flag}: ${rest.join('; ')}`] : [first, ...rest]
}

const spaced = (line: string) => line.replace(/\s{2,}/, ': ')

export const cancelled = exitCode.usage
