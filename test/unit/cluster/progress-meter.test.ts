import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ProgressMeter } from '../../../src/cluster/progress-meter.ts'

const meter = suite('progress meter')

meter('what is done is counted, also when there comes more to do', () => {
  const one = new ProgressMeter()
  assert.equal(one.look(0, 0), { done: 0, total: 0, perSecond: null })
  assert.equal(one.look(1_000, 100), { done: 0, total: 100, perSecond: null })
  assert.equal(one.look(3_000, 80), { done: 20, total: 100, perSecond: 10 })
  assert.equal(one.look(4_000, 95), { done: 20, total: 115, perSecond: null })
  assert.equal(one.look(5_000, 90), { done: 25, total: 115, perSecond: 5 })
  assert.equal(one.look(6_000, 0), { done: 0, total: 0, perSecond: null })
  assert.equal(one.look(7_000, 10), { done: 0, total: 10, perSecond: null })
})

meter('the rate is that of the last minute', () => {
  const one = new ProgressMeter()
  one.look(0, 1_000)
  one.look(30_000, 400)
  assert.is(one.look(59_000, 410 - 10).perSecond, 600 / 59)
  assert.is(one.look(90_000, 340).perSecond, 1)
  assert.is(one.look(200_000, 330).perSecond, null)
})

meter('many looks at once cost no memory', () => {
  const one = new ProgressMeter()
  for (let at = 0; at < 10_000; at++) one.look(at, 20_000 - at)
  assert.ok(Math.abs(one.look(10_000, 10_000).perSecond! - 1_000) < 1e-6)
})

meter.run()
