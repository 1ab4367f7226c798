// Makes a directory and what is missing above it. `recursive` of Node never ends where a directory takes no
// children, as below /proc.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Nothing happens if it is there; throws as `mkdirSync` does. */
export function makeDir(path: string, mode = 0o755): void {
  try {
    mkdirSync(path, { mode })
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw thrown
    makeDir(dirname(path), mode)
    makeDir(path, mode)
  }
}
