// Version of this program, from its package.json.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Also right in the packed product: dist/ lies where src/ lay. */
export const packageRoot = join(import.meta.dirname, '../..')

export function programVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  return (manifest as { version: string }).version
}
