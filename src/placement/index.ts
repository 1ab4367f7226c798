// What other folders may use of the placement.

export { choosePgCount } from './checked-policy.ts'
export { PlacementError, type PlacementErrorCode } from './errors.ts'
export { HOLE } from './limits.ts'
export { type PlanInput, plan, planTables } from './plan.ts'
export type * from './types.ts'
