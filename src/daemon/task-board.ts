// Long work of this peer, as the data process tells of it. Finished tasks stay for a while, so that
// who asks a moment later still sees how they ended.
import type { Clock } from '../common/clock.ts'
import type { TaskProgress } from '../data/protocol.ts'

const finishedKeptMs = 60_000
const tasksMax = 1_000

export class TaskBoard {
  readonly #clock: Clock
  readonly #tasks = new Map<string, { task: TaskProgress; changedAtMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  update(task: TaskProgress): void {
    this.#tasks.delete(task.id)
    this.#tasks.set(task.id, { task, changedAtMs: this.#clock.monotonicMs() })
    const oldest = this.#tasks.keys().next().value
    if (this.#tasks.size > tasksMax && oldest !== undefined) this.#tasks.delete(oldest)
  }

  /** A data process that is new knows nothing of the tasks of the one before it. */
  clear(): void {
    this.#tasks.clear()
  }

  list(): TaskProgress[] {
    const nowMs = this.#clock.monotonicMs()
    for (const [id, { task, changedAtMs }] of this.#tasks) {
      if (task.state !== 'running' && nowMs - changedAtMs > finishedKeptMs) this.#tasks.delete(id)
    }
    return [...this.#tasks.values()].map(entry => entry.task)
  }
}
