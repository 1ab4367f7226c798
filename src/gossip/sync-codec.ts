// The two messages of a sync (docs/formats/gossip.md): what I know, and what you lack.
import { kindNumber, kindOf } from './body-codec.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { RecordFault } from './faults.ts'
import { recordBytesMax, summaryEntriesMax, syncBytesMax } from './limits.ts'
import type { SummaryEntry } from './record-store.ts'

const summaryTag = 1
const recordsTag = 2
const entryBytes = 25

export function encodeSummary(entries: readonly SummaryEntry[]): Uint8Array {
  const listed = entries.slice(0, summaryEntriesMax)
  const out = new ByteWriter().u8(summaryTag).u32(listed.length)
  for (const { kind, peer, incarnation, sequence } of listed)
    out.u8(kindNumber(kind)).u64(peer).u64(incarnation).u64(sequence)
  return out.finish()
}

export function decodeSummary(message: Uint8Array): SummaryEntry[] {
  const from = open(message, summaryTag)
  const count = from.u32()
  if (count > summaryEntriesMax || from.left !== count * entryBytes)
    throw new RecordFault('bad_value', `a summary of ${count} entries in ${from.left} bytes`)
  const entries: SummaryEntry[] = []
  for (let index = 0; index < count; index++) {
    const kind = from.u8()
    const origin = { peer: from.u64(), incarnation: from.u64(), sequence: from.u64() }
    // A kind of a later version: we have nothing of it to give.
    if (kind >= 1 && kind <= 3) entries.push({ kind: kindOf(kind), ...origin })
  }
  return entries
}

export function encodeRecords(records: readonly Uint8Array[]): Uint8Array {
  const out = new ByteWriter().u8(recordsTag).u32(records.length)
  for (const record of records) out.u16(record.length).bytes(record)
  return out.finish()
}

export function decodeRecords(message: Uint8Array): Uint8Array[] {
  const from = open(message, recordsTag)
  const count = from.u32()
  const records: Uint8Array[] = []
  while (records.length < count) {
    const size = from.u16()
    if (size > recordBytesMax) throw new RecordFault('too_long', `a record of ${size} bytes`)
    records.push(from.bytes(size))
  }
  if (from.left !== 0) throw new RecordFault('bad_value', `${from.left} bytes too many`)
  return records
}

function open(message: Uint8Array, tag: number): ByteReader {
  if (message.length > syncBytesMax)
    throw new RecordFault('too_long', `a message of ${message.length} bytes`)
  const from = new ByteReader(message)
  if (from.u8() !== tag) throw new RecordFault('not_a_record', 'another message was expected')
  return from
}
