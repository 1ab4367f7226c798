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
