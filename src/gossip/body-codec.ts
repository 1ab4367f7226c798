// The bytes of what records say (docs/formats/gossip.md). What follows the last known field was
// added by a later version and is skipped.
import type { ByteReader, ByteWriter } from './bytes.ts'
import { RecordFault } from './faults.ts'
import {
  codeBytesMax,
  disksPerDigestMax,
  envelopeBytes,
  messageBytesMax,
  recordBytesMax,
  scrubsPerDigestMax,
  stateBytesMax,
  subjectBytesMax,
  versionBytesMax,
} from './limits.ts'
import type {
  Body,
  DigestBody,
  DigestDisk,
  DigestScrub,
  EventBody,
  Fullness,
  Kind,
} from './record.ts'

const kinds = ['map', 'digest', 'event'] as const satisfies readonly Kind[]
const states = ['up', 'leaving'] as const
const fullnesses = ['no', 'data', 'tables'] as const satisfies readonly Fullness[]
/** u64 disk, order, done, total; u32 seconds left, or this. */
const scrubBytes = 36
const noEta = 2 ** 32 - 1
const severities = ['info', 'warn', 'error'] as const

export function kindNumber(kind: Kind): number {
  return kinds.indexOf(kind) + 1
}

export function kindOf(number: number): Kind {
  const kind = kinds[number - 1]
  if (kind) return kind
  throw new RecordFault('unknown_kind', `kind ${number} is of a later version`)
}

export function writeBody(out: ByteWriter, body: Body): void {
  if (body.kind === 'map') out.u64(body.map_epoch)
  else if (body.kind === 'digest') writeDigest(out, body)
  else writeEvent(out, body)
}

export function readBody(kind: Kind, from: ByteReader): Body {
  if (kind === 'map') return { kind, map_epoch: from.u64() }
  return kind === 'digest' ? readDigest(from) : readEvent(from)
}

function writeDigest(out: ByteWriter, body: DigestBody): void {
  out
    .u8(states.indexOf(body.state) + 1)
    .u64(body.sent_at_ms)
    .u64(body.map_epoch)
  out.u32(body.load_percent)
  out.text(body.control_version, versionBytesMax).text(body.data_version, versionBytesMax)
  const disks = body.disks.slice(0, disksPerDigestMax)
  out.u16(disks.length)
  for (const disk of disks)
    out.u64(disk.id).u64(disk.size_bytes).u64(disk.used_bytes).text(disk.state, stateBytesMax)
  for (const disk of disks) out.u32(disk.write_us)
  for (const disk of disks) out.u8(fullnesses.indexOf(disk.full))
  writeScrubs(out, body.scrubs)
}

/** As many as the record has room for. */
function writeScrubs(out: ByteWriter, all: readonly DigestScrub[]): void {
  const room = Math.floor((recordBytesMax - envelopeBytes - out.length - 1) / scrubBytes)
  const scrubs = all.slice(0, Math.min(room, scrubsPerDigestMax))
  out.u8(scrubs.length)
  for (const { disk, order, done, total, eta_s } of scrubs) {
    out.u64(disk).u64(order).u64(done).u64(total)
    out.u32(Math.min(eta_s ?? noEta, noEta))
  }
}

function readDigest(from: ByteReader): DigestBody {
  const state = choice(states, from.u8())
  const [sent_at_ms, map_epoch, load_percent] = [from.u64(), from.u64(), from.u32()]
  const control_version = from.text(versionBytesMax)
  const data_version = from.text(versionBytesMax)
  const count = from.u16()
  if (count > disksPerDigestMax) throw new RecordFault('bad_value', `${count} disks`)
  const disks: DigestDisk[] = []
  while (disks.length < count) disks.push(readDisk(from))
  // Earlier versions end here, or behind the times; later ones may know more ways to be full.
  if (from.left >= 4 * count) for (const disk of disks) disk.write_us = from.u32()
  if (from.left >= count) for (const disk of disks) disk.full = fullnesses[from.u8()] ?? 'no'
  const scrubs = from.left > 0 ? readScrubs(from) : []
  const times = { sent_at_ms, map_epoch, load_percent }
  return { kind: 'digest', state, ...times, control_version, data_version, disks, scrubs }
}

function readScrubs(from: ByteReader): DigestScrub[] {
  const count = from.u8()
  if (count > scrubsPerDigestMax) throw new RecordFault('bad_value', `${count} scrubs`)
  return Array.from({ length: count }, () => {
    const [disk, order, done, total] = [from.u64(), from.u64(), from.u64(), from.u64()]
    const eta = from.u32()
    return { disk, order, done, total, eta_s: eta === noEta ? null : eta }
  })
}

function readDisk(from: ByteReader): DigestDisk {
  const [id, size_bytes, used_bytes] = [from.u64(), from.u64(), from.u64()]
  const state = from.text(stateBytesMax)
  return { id, size_bytes, used_bytes, state, write_us: 0, full: 'no' }
}

function writeEvent(out: ByteWriter, body: EventBody): void {
  out.u64(body.time_ms).u8(severities.indexOf(body.severity) + 1)
  out.text(body.code, codeBytesMax).text(body.subject, subjectBytesMax)
  out.text(body.message, messageBytesMax)
}

function readEvent(from: ByteReader): EventBody {
  const time_ms = from.u64()
  const severity = choice(severities, from.u8())
  const code = from.text(codeBytesMax)
  const subject = from.text(subjectBytesMax)
  return { kind: 'event', time_ms, severity, code, subject, message: from.text(messageBytesMax) }
}

function choice<T>(words: readonly T[], number: number): T {
  const word = words[number - 1]
  if (word !== undefined) return word
  throw new RecordFault('bad_value', `there is no choice ${number}`)
}
