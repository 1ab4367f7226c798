import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { programWord } from '../../../src/common/program-word.ts'

const word = suite('program word')

word('is what works from the current directory', () => {
  assert.is(programWord('/src/shoal', '/src/shoal'), 'bin/shoal')
  assert.is(programWord('/src/shoal', '/root'), '/src/shoal/bin/shoal')
  assert.is(programWord('/usr/lib/node_modules/shoal', '/root'), 'shoal')
})

word.run()
