// What can be wrong with a topology, a policy or a table, by name.

export type PlacementErrorCode =
  | 'bad_input'
  | 'bad_id'
  | 'duplicate_disk'
  | 'unknown_disk'
  | 'too_many_disks'
  | 'unknown_field'
  | 'bad_weight'
  | 'bad_state'
  | 'bad_fill'
  | 'not_a_tree'
  | 'duplicate_policy'
  | 'unknown_policy'
  | 'bad_policy'
  | 'bad_domain'
  | 'bad_pg_count'
  | 'pg_count_shrinks'
  | 'bad_table'
  | 'bad_limits'

/** Says what is wrong, where, and what to do next. */
export class PlacementError extends Error {
  static readonly errorName = 'PlacementError'
  readonly code: PlacementErrorCode
  readonly hint: string

  constructor(code: PlacementErrorCode, message: string, hint: string) {
    super(message)
    this.name = PlacementError.errorName
    this.code = code
    this.hint = hint
  }
}

/** A broken invariant is a defect of this module, not of its input: stop. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`placement invariant broken: ${what}`)
}

/** A value as its file has it, so that the text "5" is not taken for the number; never long. */
export function shown(value: unknown): string {
  const isPlain = typeof value !== 'object' || value === null
  if (isPlain && typeof value !== 'string') return String(value)
  const text = isPlain ? JSON.stringify(value) : Array.isArray(value) ? 'a list' : 'an object'
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}...`
}

const SHOWN_MAX = 80
