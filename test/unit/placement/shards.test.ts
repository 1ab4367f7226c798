import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { positionOf, shardAt } from '../../../src/placement/index.ts'

interface Case {
  readonly width: number
  readonly stripe: string
  readonly shards: readonly number[]
}

const file = new URL('../../golden/placement-shards.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]
const test = suite('placement: shards of a stripe')

test('every case of the golden file; Rust reads it too', () => {
  assert.ok(cases.length >= 70)
  for (const { width, stripe, shards } of cases) {
    const at = BigInt(stripe)
    shards.forEach((shard, position) => {
      assert.is(shardAt(position, at, width), shard)
      assert.is(positionOf(shard, at, width), position)
    })
  }
})

test('over as many stripes as members everyone holds every shard once', () => {
  for (const width of [3, 6, 11, 16]) {
    for (const first of [0n, 5n, 2n ** 40n]) {
      for (let position = 0; position < width; position++) {
        const held = new Set<number>()
        for (let i = 0; i < width; i++) held.add(shardAt(position, first + BigInt(i), width))
        assert.is(held.size, width)
      }
    }
  }
})

test.run()
