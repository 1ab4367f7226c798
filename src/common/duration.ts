// Durations, as people write and read them: 500ms, 90s, 1h, 1h30m.
import { ShoalError } from './errors.ts'

const unitMs: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

export function parseDuration(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  const isWhole = parts.map(part => part[0]).join('') === text.trim()
  if (parts.length === 0 || !isWhole) {
    throw new ShoalError('usage', `"${text}" is not a duration`, {
      next: 'write a number and a unit, for example 30s, 10m or 1h',
    })
  }
  return Math.round(parts.reduce((sum, part) => sum + Number(part[1]) * unitMs[part[2]!]!, 0))
}

/** The two largest units: 4m12s, 1h0m, 850ms. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3_600)}h`
}
