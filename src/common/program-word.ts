// What a person types to run this program from where they are.
import { join, sep } from 'node:path'
import { packageRoot } from './version.ts'

/** An installed package is on the PATH; a checkout is not. */
export function programWord(root = packageRoot, cwd = process.cwd()): string {
  if (root.split(sep).includes('node_modules')) return 'shoal'
  return root === cwd ? 'bin/shoal' : join(root, 'bin/shoal')
}
