// Damage to a store's file, as a lying disk does it: bits that flip, behind the daemon's back.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'

const cellBytes = 4096
const emptyCell = Buffer.alloc(cellBytes)
/** Cells for data and pages begin behind the logs, at a thirteenth of a small disk. */
const firstShare = 12

/** Flips one bit in each of `count` cells that hold something; gives where. The seed decides. */
export function flipBits(path: string, count: number, seed: number): number[] {
  const file = openSync(path, 'r+')
  try {
    const cells = Math.floor(fstatSync(file).size / cellBytes)
    const used = usedCells(file, Math.floor(cells / firstShare), cells - 1)
    if (used.length < count) throw new Error(`${path} holds only ${used.length} cells`)
    const next = lcg(seed)
    const chosen = new Set<number>()
    while (chosen.size < count) chosen.add(used[next() % used.length]!)
    for (const cell of chosen)
      flip(file, cell * cellBytes + (next() % cellBytes), 1 << (next() % 8))
    fsyncSync(file)
    return [...chosen].sort((a, b) => a - b)
  } finally {
    closeSync(file)
  }
}

/** Damages every copy of the root: a start finds nothing that it could trust. */
export function spoilRoots(path: string): void {
  const file = openSync(path, 'r+')
  try {
    const cells = Math.floor(fstatSync(file).size / cellBytes)
    // Behind the superblock; four copies of an 8,192th of the disk, 16 cells at least.
    const roots = Math.max(16, Math.floor(cells / 8192)) * 4
    for (let cell = 1; cell <= roots; cell++) flip(file, cell * cellBytes + 40, 1)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function usedCells(file: number, first: number, end: number): number[] {
  const used: number[] = []
  const buffer = Buffer.alloc(256 * cellBytes)
  for (let at = first; at < end; at += 256) {
    const bytes = readSync(file, buffer, 0, buffer.length, at * cellBytes)
    for (let i = 0; i < Math.floor(bytes / cellBytes) && at + i < end; i++) {
      const cell = buffer.subarray(i * cellBytes, (i + 1) * cellBytes)
      if (!cell.equals(emptyCell)) used.push(at + i)
    }
  }
  return used
}

function flip(file: number, offset: number, bits: number): void {
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0] = byte[0]! ^ bits
  writeSync(file, byte, 0, 1, offset)
}

function lcg(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 8
  }
}
