// The program as it is packed, for guests: there every instruction is emulated, and to take the types
// off the sources would cost more than all else.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './guest.ts'

export interface GuestProgram {
  /** bin/shoal lies in it. */
  dir: string
  remove(): void
}

export function makeProgram(): GuestProgram {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-program-'))
  const node = (...args: string[]) =>
    execFileSync(join(root, 'bin/with-node'), args, { cwd: root, stdio: 'inherit' })
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  node(compiler, '-p', 'tsconfig.build.json', '--outDir', join(dir, 'dist'))
  for (const name of ['bin', 'package.json']) {
    cpSync(join(root, name), join(dir, name), { recursive: true })
  }
  mkdirSync(join(dir, 'native'))
  cpSync(join(root, 'native/shoal.node'), join(dir, 'native/shoal.node'))
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  node(join(root, 'scripts/manifest.ts'), dir)
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}
