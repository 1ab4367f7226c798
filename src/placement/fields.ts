// What a file may say of disks and policies. A misspelt field would be a rule that nobody keeps.
import { PlacementError } from './errors.ts'
import type { Policy, TopologyDisk } from './types.ts'

export const POLICY_FIELDS: readonly (keyof Policy)[] = [
  'name',
  'copies',
  'ec',
  'domain',
  'max_per',
  'class',
  'labels',
  'localize',
  'pgs',
]

export const LOCALIZE_FIELDS: readonly string[] = ['peer', 'zone']

export const DISK_FIELDS: readonly (keyof TopologyDisk)[] = [
  'id',
  'peer',
  'rack',
  'zone',
  'weight',
  'size',
  'reserve',
  'factor',
  'fill',
  'latency_us',
  'class',
  'state',
  'labels',
]

/** Numbers that must be there when they are named. */
const AMOUNTS = ['weight', 'size', 'reserve', 'factor'] as const

/** JSON HAS NO NaN: what was one is written as null, and must not be taken for the default. */
export function checkAmounts(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) return
  const lost = AMOUNTS.find(name => (value as Record<string, unknown>)[name] === null)
  if (lost === undefined) return
  throw new PlacementError(
    'bad_weight',
    `${what}: ${lost} is null, as JSON writes a number that is none`,
    'give a number, or leave the field away',
  )
}

/** What is no object is refused where it is read. */
export function checkFields(value: unknown, known: readonly string[], what: string): void {
  if (typeof value !== 'object' || value === null) return
  const unknown = Object.keys(value).find(key => !known.includes(key))
  if (unknown === undefined) return
  throw new PlacementError(
    'unknown_field',
    `${what} has a field ${JSON.stringify(unknown)}, which means nothing`,
    `it may have: ${known.join(', ')}`,
  )
}
