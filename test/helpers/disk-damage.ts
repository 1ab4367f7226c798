// Damage to a store's file, as a lying disk does it: bits that flip, behind the daemon's back.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs'

const cellBytes = 4096
const emptyCell = Buffer.alloc(cellBytes)
/** Of a superblock, where it names the regions (docs/formats/store.md). */
const regionsAt = 116

interface Region {
  first: number
  cells: number
}

/** Where things lie, in cells, as the first superblock says. */
export function regionsOf(file: number): { roots: Region; dataLog: Region; cells: Region } {
  const superblock = Buffer.alloc(cellBytes)
  readSync(file, superblock, 0, cellBytes, 0)
  const region = (at: number) => ({
    first: Number(superblock.readBigUInt64LE(regionsAt + at * 16)),
    cells: Number(superblock.readBigUInt64LE(regionsAt + at * 16 + 8)),
  })
  return { roots: region(0), dataLog: region(1), cells: region(3) }
}

/** Flips one bit in each of `count` cells that hold something; gives where. The seed decides. */
export function flipBits(path: string, count: number, seed: number): number[] {
  const file = openSync(path, 'r+')
  try {
    const cells = Math.floor(fstatSync(file).size / cellBytes)
    const used = usedCells(file, regionsOf(file).cells.first, cells - 1)
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
    const { first, cells } = regionsOf(file).roots
    for (let cell = first; cell < first + cells; cell++) flip(file, cell * cellBytes + 40, 1)
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
