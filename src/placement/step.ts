import type { Board } from './board.ts'

/** The member at `at` goes to `to`. */
export interface Step {
  readonly at: number
  readonly to: number
}

/**
 * Takes all steps or none. EVERYBODY LEAVES BEFORE ANYBODY COMES: one PG may be in a chain twice,
 * and then only the whole tells whether its rules hold. Returns the slot that cannot go, or -1.
 */
export function takeSteps(board: Board, steps: readonly Step[]): number {
  const from = steps.map(({ at }) => board.take(at))
  for (let i = 0; i < steps.length; i++) {
    const { at, to } = steps[i]
    if (!board.hasRoom(Math.floor(at / board.width), to, -1)) {
      for (let done = 0; done < i; done++) board.take(steps[done].at)
      steps.forEach((step, back) => {
        board.put(step.at, from[back])
      })
      return at
    }
    board.put(at, to)
  }
  return -1
}
