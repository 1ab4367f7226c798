// One thing that was looked at, and what it came to.

/** `note`: works, and should be known. */
export type Result = 'ok' | 'note' | 'warn' | 'error'

export interface Check {
  name: string
  result: Result
  message: string
  /** What to do about it. */
  next: string | null
}

export function ok(name: string, message: string): Check {
  return { name, result: 'ok', message, next: null }
}

export function found(result: Result, name: string, message: string, next: string): Check {
  return { name, result, message, next }
}

/** The worst first; equals in the order in which they were looked at. */
export function ranked(checks: readonly Check[]): Check[] {
  const ranks: readonly Result[] = ['error', 'warn', 'note', 'ok']
  return [...checks].sort((a, b) => ranks.indexOf(a.result) - ranks.indexOf(b.result))
}
