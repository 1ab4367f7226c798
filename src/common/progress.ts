// Progress of long work, on stderr: a bar with rate and time left on a terminal, else a line now
// and then.
import { systemClock } from './clock.ts'
import { formatDuration } from './duration.ts'
import { formatSize } from './units.ts'

const barWidth = 24
const redrawMs = 100
const lineEveryMs = 10_000

export interface ProgressState {
  label: string
  done: number
  total: number
  unit: 'bytes' | 'items'
  elapsedMs: number
}

export function renderProgress(state: ProgressState): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 0
  const filled = Math.round(share * barWidth)
  const bar = `[${'='.repeat(filled)}${'.'.repeat(barWidth - filled)}]`
  const show = (value: number) => (state.unit === 'bytes' ? formatSize(value) : `${value}`)
  const perMs = state.elapsedMs > 0 ? state.done / state.elapsedMs : 0
  const parts = [
    state.label,
    bar,
    `${Math.floor(share * 100)} %`,
    `${show(state.done)}/${show(state.total)}`,
  ]
  if (perMs > 0 && share < 1) {
    if (state.unit === 'bytes') parts.push(`${formatSize(Math.round(perMs * 1000))}/s`)
    parts.push(`ETA ${formatDuration((state.total - state.done) / perMs)}`)
  }
  return parts.join('  ')
}

export class Progress {
  readonly #label: string
  readonly #unit: 'bytes' | 'items'
  readonly #startedMs = systemClock.monotonicMs()
  readonly #isTerminal = process.stderr.isTTY === true
  #lastMs = Number.NEGATIVE_INFINITY
  #isEnded = false

  constructor(label: string, unit: 'bytes' | 'items') {
    this.#label = label
    this.#unit = unit
  }

  update(done: number, total: number): void {
    const nowMs = systemClock.monotonicMs()
    const isDone = done >= total
    if (this.#isEnded && isDone) return
    this.#isEnded = isDone
    if (!isDone && nowMs - this.#lastMs < (this.#isTerminal ? redrawMs : lineEveryMs)) return
    this.#lastMs = nowMs
    const elapsedMs = nowMs - this.#startedMs
    const text = renderProgress({ label: this.#label, done, total, unit: this.#unit, elapsedMs })
    if (!this.#isTerminal) process.stderr.write(`${text}\n`)
    else process.stderr.write(`\r\x1b[K${text}${isDone ? '\n' : ''}`)
  }
}
