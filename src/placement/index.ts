// What other folders may use of the placement.

export {
  CAPACITY_DEFAULTS,
  type CapacityInput,
  type CapacityOptions,
  type CapacityOutput,
  capacityOf,
  type PolicyOutput,
  planCapacity,
} from './capacity.ts'
export { choosePgCount } from './checked-policy.ts'
export { PlacementError, type PlacementErrorCode } from './errors.ts'
export { type FillFactor, nextFillFactors } from './fill-factors.ts'
export { HOLE } from './limits.ts'
export { extentHash, lineageSeed, pgOf, pgOfExtent } from './pg-of.ts'
export { type PlanInput, plan, planTables } from './plan.ts'
export { capacityOffLoop, planOffLoop } from './plan-worker.ts'
export { positionOf, shardAt } from './shards.ts'
export { slowDisks } from './slow-disks.ts'
export {
  type Batch,
  nextBatch,
  nextBatchInTurns,
  type PgNow,
  type PolicyNow,
  planningBase,
  type RowChange,
  type StepLimits,
} from './steps.ts'
export { rowsOf } from './table-json.ts'
export { type TreeNode, treeOf } from './tree-view.ts'
export type * from './types.ts'
