import { PlacementError, shown } from './errors.ts'
import { NAME_LENGTH_MAX } from './limits.ts'
import type { Id } from './types.ts'

/** Total order of ids: numbers by value, then texts by code unit. The same on every machine. */
export function compareIds(left: Id, right: Id): number {
  if (typeof left === 'number') {
    return typeof right === 'number' ? left - right : -1
  }
  if (typeof right === 'number') return 1
  return left < right ? -1 : left > right ? 1 : 0
}

/** `what` says in the message where the id stood. */
export function checkId(value: unknown, what: string): Id {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'string' && value.length > 0 && value.length <= NAME_LENGTH_MAX) {
    return value
  }
  throw new PlacementError(
    'bad_id',
    `${what} is ${shown(value)}, not an id`,
    `an id is a whole number or a text of 1 to ${NAME_LENGTH_MAX} characters`,
  )
}

/** An absent rack or zone is the empty text. */
export function checkOptionalId(value: unknown, what: string): Id {
  return value === undefined || value === null || value === '' ? '' : checkId(value, what)
}
