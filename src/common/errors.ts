// Every error that a user can meet. A code says what the caller can do about it; the message says
// what happened, `why` the cause, `next` the command or step that helps.
import { type ExitCode, exitCode } from './exit-code.ts'

interface Kind {
  exit: ExitCode
  status: number
}

export const errorKinds = {
  usage: { exit: exitCode.usage, status: 400 },
  bad_request: { exit: exitCode.usage, status: 400 },
  confirmation_required: { exit: exitCode.usage, status: 400 },
  config_invalid: { exit: exitCode.usage, status: 500 },
  not_found: { exit: exitCode.notFound, status: 404 },
  denied: { exit: exitCode.denied, status: 403 },
  refused: { exit: exitCode.conflict, status: 409 },
  exists: { exit: exitCode.conflict, status: 409 },
  conflict: { exit: exitCode.conflict, status: 409 },
  busy: { exit: exitCode.conflict, status: 409 },
  no_cluster: { exit: exitCode.conflict, status: 409 },
  would_lose_data: { exit: exitCode.wouldLose, status: 409 },
  unreachable: { exit: exitCode.unreachable, status: 503 },
  unavailable: { exit: exitCode.unreachable, status: 503 },
  not_leader: { exit: exitCode.unreachable, status: 503 },
  timeout: { exit: exitCode.timeout, status: 504 },
  no_space: { exit: exitCode.failed, status: 507 },
  unsupported: { exit: exitCode.failed, status: 501 },
  io: { exit: exitCode.failed, status: 500 },
  internal: { exit: exitCode.failed, status: 500 },
} as const satisfies Record<string, Kind>

export type ErrorCode = keyof typeof errorKinds

export interface ErrorParts {
  why?: string | null
  next?: string | null
  data?: Record<string, unknown> | null
}

/** The form of an error on the API (application/problem+json) and under `--json`. */
export interface Problem {
  code: ErrorCode
  message: string
  why: string | null
  hint: string | null
  status: number
  data: Record<string, unknown> | null
}

export class ShoalError extends Error {
  readonly code: ErrorCode
  readonly why: string | null
  readonly next: string | null
  readonly data: Record<string, unknown> | null

  constructor(code: ErrorCode, message: string, parts: ErrorParts = {}) {
    super(message)
    this.name = 'ShoalError'
    this.code = code
    this.why = parts.why ?? null
    this.next = parts.next ?? null
    this.data = parts.data ?? null
  }

  get exit(): ExitCode {
    return errorKinds[this.code].exit
  }

  get status(): number {
    return errorKinds[this.code].status
  }
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorKinds, code)
}

/** Whatever was thrown, as an error that can be shown: a fault of our own becomes `internal`. */
export function toShoalError(thrown: unknown): ShoalError {
  if (thrown instanceof ShoalError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new ShoalError('internal', message || 'an unnamed fault', {
    why: 'this is a fault in Shoal itself',
    next: "see the daemon's log, and report it",
  })
}

export function toProblem(error: ShoalError): Problem {
  const { code, message, why, next, status, data } = error
  return { code, message, why, hint: next, status, data }
}

export function fromProblem(problem: Problem): ShoalError {
  const code = isErrorCode(problem.code) ? problem.code : 'internal'
  const { why, hint, data } = problem
  return new ShoalError(code, problem.message, { why, next: hint, data })
}

/** The lines that a person reads on stderr. */
export function describe(error: ShoalError): string {
  const lines = [`error: ${error.message}`]
  if (error.why) lines.push(`why:   ${error.why}`)
  if (error.next) lines.push(`next:  ${error.next}`)
  return lines.join('\n')
}
