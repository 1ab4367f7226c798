import type { Board } from './board.ts'
import { HOLE } from './limits.ts'

/**
 * Who stays keeps its position: under erasure coding the position is the shard that the disk
 * holds. Newcomers take the positions that are left, in the order they stand.
 */
export function keepPositions(board: Board): void {
  const { slots, base, width, pgs } = board
  const row = new Uint16Array(width)
  for (let pg = 0; pg < pgs; pg++) {
    const first = pg * width
    if (isKept(slots, base, first, width)) continue
    row.set(slots.subarray(first, first + width))
    slots.fill(HOLE, first, first + width)
    for (let i = 0; i < width; i++) {
      const was = base[first + i]
      const now = was === HOLE ? -1 : row.indexOf(was)
      if (now < 0) continue
      slots[first + i] = was
      row[now] = HOLE
    }
    placeRest(slots, row, first)
  }
}

function isKept(slots: Uint16Array, base: Uint16Array, first: number, width: number): boolean {
  for (let at = first; at < first + width; at++) if (slots[at] !== base[at]) return false
  return true
}

function placeRest(slots: Uint16Array, row: Uint16Array, first: number): void {
  let to = first
  for (const disk of row) {
    if (disk === HOLE) continue
    while (slots[to] !== HOLE) to++
    slots[to] = disk
  }
}
