// What placement refuses, as an error that people can meet.
import { ShoalError } from '../common/errors.ts'
import { PlacementError } from '../placement/index.ts'

/** Throws it anew; faults of other kinds go up as they are. */
export function badPlacement(thrown: unknown): never {
  if (!(thrown instanceof PlacementError)) throw thrown
  throw new ShoalError('bad_request', thrown.message, {
    why: `placement refuses it: ${thrown.code}`,
    next: thrown.hint,
    data: { placement_code: thrown.code },
  })
}
