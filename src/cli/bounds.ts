// Bounds per failure domain, as people write them: `peer=1,rack=2`.
import { ShoalError } from '../common/errors.ts'
import { parsePairs } from './pairs.ts'

export const domains = ['disk', 'peer', 'rack', 'zone'] as const

/** `none`: no bound. */
export function parseBounds(text: string): Record<string, number> {
  if (text === 'none') return {}
  const bounds: Record<string, number> = {}
  for (const [domain, count] of parsePairs(text, domains)) {
    bounds[domain] = Number(count)
    if (!/^\d{1,2}$/.test(count) || bounds[domain] === 0)
      throw new ShoalError('usage', `"${count}" bounds nothing`, { next: 'write rack=2' })
  }
  return bounds
}
