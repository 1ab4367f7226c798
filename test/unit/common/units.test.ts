import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatDuration, parseDuration } from '../../../src/common/duration.ts'
import { ShoalError } from '../../../src/common/errors.ts'
import { formatSize, parseSize } from '../../../src/common/units.ts'

const units = suite('units')

const sizes: [string, number][] = [
  ['4096', 4096],
  ['512B', 512],
  ['1K', 1024],
  ['10GiB', 10 * 2 ** 30],
  ['10g', 10 * 2 ** 30],
  ['1.5T', 1.5 * 2 ** 40],
  ['0.5 KiB', 512],
  ['7PiB', 7 * 2 ** 50],
]
for (const [text, bytes] of sizes) {
  units(`reads ${text}`, () => assert.is(parseSize(text), bytes))
}

for (const text of ['', 'GiB', '-1G', '1e9', '10 Gibit', '1.0000000001K', '9PiB', '1,5G', '1iB']) {
  units(`refuses "${text}"`, () => assert.throws(() => parseSize(text), ShoalErrorOf('usage')))
}

units('refuses GB and says what to write instead', () => {
  try {
    parseSize('10GB')
    assert.unreachable()
  } catch (thrown) {
    assert.instance(thrown, ShoalError)
    assert.match((thrown as ShoalError).next ?? '', '10GiB')
  }
})

units('writes what it reads', () => {
  for (const bytes of [0, 1, 1023, 1024, 1536, 2 ** 20, 2 ** 30, 10 * 2 ** 30, 2 ** 40]) {
    assert.is(parseSize(formatSize(bytes)), bytes)
  }
  assert.is(formatSize(1234567890), '1.15GiB')
})

units('reads and writes durations', () => {
  assert.is(parseDuration('1h30m'), 5_400_000)
  assert.is(parseDuration('250ms'), 250)
  assert.is(parseDuration('1.5s'), 1_500)
  for (const text of ['', '5', 'h', '1h nonsense', '-1s', '1y']) {
    assert.throws(() => parseDuration(text), ShoalErrorOf('usage'))
  }
  assert.is(formatDuration(252_000), '4m12s')
  assert.is(formatDuration(90_000_000), '1d1h')
})

function ShoalErrorOf(code: string) {
  return (thrown: unknown) => thrown instanceof ShoalError && thrown.code === code
}

units.run()
