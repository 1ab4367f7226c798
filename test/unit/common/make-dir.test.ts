import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeDir } from '../../../src/common/make-dir.ts'

const directories = suite('make directory')
const base = mkdtempSync(join(tmpdir(), 'shoal-make-dir-'))

directories('what is missing above it is made, too; one that is there stays', () => {
  const path = join(base, 'a/b/c')
  makeDir(path, 0o711)
  makeDir(path, 0o700)
  for (const one of [path, join(base, 'a')]) assert.is(statSync(one).mode & 0o777, 0o711)
})

directories('a file in the way is an error', () => {
  writeFileSync(join(base, 'file'), '')
  assert.throws(() => makeDir(join(base, 'file')), /EEXIST/)
  assert.throws(() => makeDir(join(base, 'file/below')), /ENOTDIR/)
})

directories('where the kernel makes no directories, it ends', () => {
  assert.throws(() => makeDir('/proc/shoal/below'), /ENOENT/)
})

directories.after(() => rmSync(base, { recursive: true }))
directories.run()
