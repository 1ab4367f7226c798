import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  describe,
  type ErrorCode,
  errorKinds,
  fromProblem,
  ShoalError,
  toProblem,
  toShoalError,
} from '../../../src/common/errors.ts'
import { exitCodeMeanings } from '../../../src/common/exit-code.ts'
import { nearest } from '../../../src/common/nearest.ts'

const errors = suite('errors')

errors('every code has a documented exit code and an error status', () => {
  for (const kind of Object.values(errorKinds)) {
    assert.ok(exitCodeMeanings[kind.exit])
    assert.ok(kind.status >= 400 && kind.status < 600)
  }
})

errors('survive the way over the API', () => {
  for (const code of Object.keys(errorKinds) as ErrorCode[]) {
    const sent = new ShoalError(code, 'what', {
      why: 'cause',
      next: 'step',
      data: { holder: 'p1' },
    })
    const received = fromProblem(JSON.parse(JSON.stringify(toProblem(sent))))
    assert.equal({ ...received }, { ...sent })
    assert.is(received.exit, sent.exit)
  }
})

errors('a code of a newer program is still an error, not a crash', () => {
  const problem = { ...toProblem(new ShoalError('io', 'x')), code: 'from_the_future' as ErrorCode }
  assert.is(fromProblem(problem).code, 'internal')
})

errors('a fault of our own shows no stack', () => {
  const shown = describe(toShoalError(new TypeError('x is undefined')))
  assert.match(shown, 'error: x is undefined')
  assert.not.match(shown, /\n\s+at /)
  assert.ok(describe(toShoalError('text')).startsWith('error: text'))
})

errors('the nearest word is named, a far one is not', () => {
  assert.is(nearest('volum', ['volume', 'peer', 'disk']), 'volume')
  assert.is(nearest('xyzzy', ['volume', 'peer', 'disk']), undefined)
  assert.is(nearest('', []), undefined)
})

errors.run()
