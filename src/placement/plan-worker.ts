// Plans in a thread of its own, so that a large one never holds up the event loop. This file is
// both sides: the thread runs it with `workerData` set.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type CapacityOptions, type CapacityOutput, capacityOf } from './capacity.ts'
import { PlacementError, type PlacementErrorCode } from './errors.ts'
import { type PlanInput, plan } from './plan.ts'
import type { Plan } from './types.ts'

/** Up to here (disks + slots of all tables) a plan takes well under 20 ms: not worth a thread. */
export const INLINE_SIZE_MAX = 8_192
const MARK = 'placement'

interface Job {
  readonly input: PlanInput
  /** Given: what the plan means for capacity is wanted, not the plan. */
  readonly options?: CapacityOptions
}

type Answer =
  | { readonly made: unknown }
  | { readonly code: PlacementErrorCode; readonly message: string; readonly hint: string }
  | { readonly defect: string }

/** The same as `plan`, and the same errors. */
export function planOffLoop(input: PlanInput): Promise<Plan> {
  return offLoop({ input }) as Promise<Plan>
}

/** The same as `capacityOf` of the plan of `input`, which takes as long again. */
export function capacityOffLoop(
  input: PlanInput,
  options: CapacityOptions,
): Promise<CapacityOutput> {
  return offLoop({ input, options }) as Promise<CapacityOutput>
}

function offLoop(job: Job): Promise<unknown> {
  if (sizeOf(job.input) > INLINE_SIZE_MAX) return inThread(job)
  return new Promise(resolve => {
    resolve(make(job))
  })
}

function make({ input, options }: Job): Plan | CapacityOutput {
  const planned = plan(input)
  return options === undefined ? planned : capacityOf(input, planned, options)
}

function sizeOf({ topology, policies, previous }: PlanInput): number {
  let size = topology?.disks?.length ?? 0
  for (const table of previous ?? []) size += table.slots.length
  // Tables that do not exist yet are as large as their policy says, or as the disks want them.
  for (const policy of policies ?? []) size += (policy?.pgs ?? 128 * size) * 3
  return size
}

async function inThread(job: Job): Promise<unknown> {
  // Making the input and handing it over each take some milliseconds: others have a turn between.
  await new Promise(resolve => {
    setImmediate(resolve)
  })
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: { [MARK]: job } })
    thread.once('error', reject)
    thread.once('message', (answer: Answer) => {
      if ('made' in answer) resolve(answer.made)
      else if ('code' in answer) {
        reject(new PlacementError(answer.code, answer.message, answer.hint))
      } else reject(new Error(answer.defect))
    })
    thread.once('exit', code => {
      // Without effect when it has answered.
      reject(new Error(`the planning thread ended with code ${code}`))
    })
  })
}

function answer(job: Job): Answer {
  try {
    return { made: make(job) }
  } catch (error) {
    if (error instanceof PlacementError) {
      return { code: error.code, message: error.message, hint: error.hint }
    }
    return { defect: String((error as Error).stack) }
  }
}

if (!isMainThread && workerData?.[MARK] !== undefined) {
  parentPort?.postMessage(answer(workerData[MARK] as Job))
}
