// What a new disk must be like, said before anything is made on it.
import { ShoalError } from './errors.ts'
import { formatSize } from './units.ts'

/** Smaller ones have no room for a store (docs/formats/store.md). */
export const diskBytesMin = 8 * 2 ** 20

export function checkDiskSize(size: number): void {
  if (size >= diskBytesMin) return
  throw new ShoalError('bad_request', `a disk cannot have ${size} bytes`, {
    why: `it has at least ${formatSize(diskBytesMin)}`,
    next: 'choose another size or another disk; shoal disk scan shows those there are',
  })
}
