// JSON files that a person hands over or asks for: read with a bound, written whole or not at all.
import { closeSync, openSync, readSync, renameSync, writeFileSync } from 'node:fs'
import { ShoalError } from '../common/errors.ts'
import { formatSize } from '../common/units.ts'

/** 70,000 disks and the tables of 262,144 groups of seven fit in a quarter of it. */
const fileBytesMax = 256 * 1024 * 1024
/** Read at once. */
const partBytes = 1024 * 1024

export function readJsonFile(path: string): unknown {
  const text = readBounded(path)
  try {
    // Some editors begin a file with a byte order mark; to JSON it means nothing.
    return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch (thrown) {
    throw new ShoalError('bad_request', `${path} is no JSON`, {
      why: (thrown as Error).message,
      next: 'correct the file; the manual page shows its form',
    })
  }
}

/** UNDER ANOTHER NAME FIRST: an earlier file is not lost when this is cut short. */
export function writeJsonFile(path: string, text: string): void {
  const written = `${path}.new`
  try {
    writeFileSync(written, `${text}\n`)
    renameSync(written, path)
  } catch (thrown) {
    throw fileError(path, thrown as NodeJS.ErrnoException, 'written')
  }
}

/** Counted as it comes: a pipe or a device does not say how long it is. */
function readBounded(path: string): string {
  const parts: Buffer[] = []
  let file = -1
  try {
    file = openSync(path, 'r')
    for (let left = fileBytesMax; left >= 0; ) {
      const part = Buffer.allocUnsafe(partBytes)
      const count = readSync(file, part)
      if (count === 0) return Buffer.concat(parts).toString('utf8')
      parts.push(part.subarray(0, count))
      left -= count
    }
  } catch (thrown) {
    throw fileError(path, thrown as NodeJS.ErrnoException, 'read')
  } finally {
    if (file >= 0) closeSync(file)
  }
  throw new ShoalError('bad_request', `${path} is larger than ${formatSize(fileBytesMax)}`, {
    next: 'name a file that describes one cluster',
  })
}

function fileError(path: string, error: NodeJS.ErrnoException, verb: string): ShoalError {
  if (error.code === 'ENOENT' && verb === 'written') {
    return new ShoalError('not_found', `there is no directory for ${path}`, {
      next: 'make it first, or name another one',
    })
  }
  if (error.code === 'ENOENT') {
    return new ShoalError('not_found', `there is no file ${path}`, {
      next: 'name a file that is there',
    })
  }
  const isDenied = error.code === 'EACCES' || error.code === 'EPERM'
  return new ShoalError(isDenied ? 'denied' : 'io', `${path} could not be ${verb}`, {
    why: error.message,
    next: 'choose another path, or change its permissions',
  })
}
