import { readFileSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { extentHash, lineageSeed, pgOf } from '../../../src/placement/pg-of.ts'

interface Case {
  readonly lineage: string
  readonly extent: string
  readonly hash: number
  readonly pgs: number
  readonly pg: number
}

const file = new URL('../../golden/placement-hash.json', import.meta.url)
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[]
const test = suite('placement: from an extent to its PG')

test('every case of the golden file hashes the same; Rust reads it too', () => {
  assert.ok(cases.length >= 100)
  for (const { lineage, extent, hash, pgs, pg } of cases) {
    assert.is(extentHash(lineageSeed(BigInt(lineage)), BigInt(extent)), hash)
    assert.is(pgOf(BigInt(lineage), BigInt(extent), pgs), pg)
    if (BigInt(extent) <= Number.MAX_SAFE_INTEGER) {
      assert.is(pgOf(BigInt(lineage), Number(extent), pgs), pg)
    }
  }
})

test('doubling the count splits each PG in two and moves no extent between the others', () => {
  for (let extent = 0; extent < 1000; extent++) {
    assert.is(pgOf(7n, extent, 128) % 64, pgOf(7n, extent, 64))
  }
})

test('the extents of a volume spread evenly', () => {
  const count = new Array<number>(64).fill(0)
  for (let extent = 0; extent < 64_000; extent++) count[pgOf(3n, extent, 64)] += 1
  assert.ok(count.every(extents => extents > 800 && extents < 1200))
})

test.run()
