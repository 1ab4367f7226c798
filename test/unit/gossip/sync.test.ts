import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Random, seededRandom } from '../../../src/common/random.ts'
import { RecordFault } from '../../../src/gossip/faults.ts'
import { eventsPerPeerMax, summaryEntriesMax } from '../../../src/gossip/limits.ts'
import type { Body } from '../../../src/gossip/record.ts'
import { RecordStore, type StoredRecord } from '../../../src/gossip/record-store.ts'
import {
  decodeRecords,
  decodeSummary,
  encodeRecords,
  encodeSummary,
} from '../../../src/gossip/sync-codec.ts'
import { digestOf, eventOf } from './world.ts'

const sync = suite('gossip sync')
const bodies: Body[] = [{ kind: 'map', map_epoch: 1 }, digestOf(1), eventOf('x')]

/** Its bytes name it: what is sent can be found again. */
function recordOf(kind: number, peer: number, incarnation: number, sequence: number) {
  const bytes = Buffer.from(JSON.stringify([kind, peer, incarnation, sequence]))
  return { origin: { peer, incarnation, sequence }, body: bodies[kind]!, bytes }
}

function ofBytes(bytes: Uint8Array): StoredRecord {
  const [kind, peer, incarnation, sequence] = JSON.parse(Buffer.from(bytes).toString()) as number[]
  return recordOf(kind!, peer!, incarnation!, sequence!)
}

function fill(store: RecordStore, random: Random, count: number): void {
  const below = (limit: number) => Math.floor(random.fraction() * limit)
  for (let round = 0; round < count; round++)
    store.offer(recordOf(below(3), 1 + below(5), 1 + below(3), 1 + below(40)))
}

function texts(store: RecordStore): string[] {
  return [...store.records()].map(record => Buffer.from(record.bytes).toString()).sort()
}

/** Through the bytes, both ways, as over the network. */
function exchange(asker: RecordStore, answerer: RecordStore, bytesMax: number): number {
  const toAnswerer = decodeSummary(encodeSummary(asker.summary()))
  const toAsker = decodeSummary(encodeSummary(answerer.summary()))
  const lacking = decodeRecords(encodeRecords(answerer.missing(toAnswerer, bytesMax)))
  for (const bytes of lacking) asker.offer(ofBytes(bytes))
  const owed = decodeRecords(encodeRecords(asker.missing(toAsker, bytesMax)))
  for (const bytes of owed) answerer.offer(ofBytes(bytes))
  return lacking.length + owed.length
}

sync('two that differ in any way come to know the same, and then send nothing', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed)
    const [a, b] = [new RecordStore(), new RecordStore()]
    fill(a, random, 60)
    fill(b, random, 60)
    // So little at a time that it takes many rounds.
    const bytesMax = 40 + Math.floor(random.fraction() * 400)
    let rounds = 0
    while (exchange(a, b, bytesMax) > 0) assert.ok(++rounds < 300, `seed ${seed} does not settle`)
    assert.equal(texts(a), texts(b), `seed ${seed}`)
  }
})

sync('of each peer the newest events are kept, in whatever order they came', () => {
  const store = new RecordStore()
  const random = seededRandom(3)
  const numbers = Array.from({ length: 50 }, (_, index) => index + 1)
  numbers.sort(() => random.fraction() - 0.5)
  for (const sequence of numbers) store.offer(recordOf(2, 1, 1, sequence))
  const kept = [...store.records()].map(record => record.origin.sequence)
  assert.equal(
    kept.sort((a, b) => a - b),
    Array.from({ length: eventsPerPeerMax }, (_, index) => 51 - eventsPerPeerMax + index),
  )
  assert.not(store.offer(recordOf(2, 1, 1, 50)))
  assert.not(store.offer(recordOf(2, 1, 1, 3)))
})

sync('who is no member any more is forgotten', () => {
  const store = new RecordStore()
  fill(store, seededRandom(1), 200)
  store.keepOnly(peer => peer === 2)
  assert.ok([...store.records()].length > 1)
  assert.ok([...store.records()].every(record => record.origin.peer === 2))
})

sync('hostile messages are refused, and nothing is made room for', () => {
  const random = seededRandom(11)
  const store = new RecordStore()
  fill(store, random, 100)
  const records = [...store.records()].map(record => record.bytes)
  const good = [encodeSummary(store.summary()), encodeRecords(records)]
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from(good[round % 2]!)
    for (let count = 1 + Math.floor(random.fraction() * 4); count > 0; count--) {
      // Mostly in front, where the counts are.
      const at = Math.floor(random.fraction() ** 3 * bytes.length)
      bytes[at] = Math.floor(random.fraction() * 256)
    }
    const cut = bytes.subarray(0, Math.ceil(random.fraction() * bytes.length * 2))
    readOrRefuse(() => decodeSummary(cut))
    readOrRefuse(() => decodeRecords(cut))
  }
  const huge = Buffer.alloc(5)
  huge[0] = 1
  huge.writeUInt32LE(summaryEntriesMax + 1, 1)
  assert.throws(() => decodeSummary(huge), /summary of/)
  huge[0] = 2
  assert.throws(() => decodeRecords(huge), /missing/)
})

function readOrRefuse(work: () => unknown): void {
  try {
    work()
  } catch (thrown) {
    assert.instance(thrown, RecordFault)
  }
}

sync.run()
