// The envelope of a record (docs/formats/gossip.md): who says it, in which cluster, signed. A record
// is passed on by others as it is, so it carries a signature of its own.
import { kindNumber, kindOf, readBody, writeBody } from './body-codec.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { RecordFault } from './faults.ts'
import { type Signer, signatureBytes, type Verifier } from './keys.ts'
import { recordBytesMax } from './limits.ts'
import type { Body, GossipRecord, Origin } from './record.ts'

const magic = Buffer.from('SHGR')
const format = 1
const clusterIdBytes = 16
const domain = Buffer.from('shoal gossip 1\0')

/** The public key of a member, as something that checks signatures; undefined for others. */
export type VerifierOfPeer = (peer: number) => Verifier | undefined

export function encodeRecord(
  clusterId: string,
  origin: Origin,
  body: Body,
  sign: Signer,
): Uint8Array {
  const inner = new ByteWriter()
  writeBody(inner, body)
  const bytes = inner.finish()
  const signed = new ByteWriter()
    .bytes(magic)
    .u8(format)
    .u8(kindNumber(body.kind))
    .u16(bytes.length)
    .bytes(Buffer.from(clusterId, 'hex'))
    .u64(origin.peer)
    .u64(origin.incarnation)
    .u64(origin.sequence)
    .bytes(bytes)
    .finish()
  const record = Buffer.concat([signed, sign(Buffer.concat([domain, signed]))])
  if (record.length > recordBytesMax) throw new RangeError(`a record of ${record.length} bytes`)
  return record
}

/** Throws `RecordFault`. What it returns was said by a member of this cluster. */
export function decodeRecord(
  clusterId: string,
  record: Uint8Array,
  verifierOf: VerifierOfPeer,
): GossipRecord {
  if (record.length > recordBytesMax)
    throw new RecordFault('too_long', `a record of ${record.length} bytes`)
  const from = new ByteReader(record)
  if (!magic.equals(from.bytes(magic.length)))
    throw new RecordFault('not_a_record', 'it does not start like a record')
  if (from.u8() !== format) throw new RecordFault('later_format', 'its format is not known here')
  const kindByte = from.u8()
  const size = from.u16()
  const cluster = Buffer.from(from.bytes(clusterIdBytes)).toString('hex')
  if (cluster !== clusterId) throw new RecordFault('wrong_cluster', `it is for cluster ${cluster}`)
  const origin = { peer: from.u64(), incarnation: from.u64(), sequence: from.u64() }
  const body = from.bytes(size)
  if (from.left !== signatureBytes)
    throw new RecordFault('truncated', `${from.left} bytes where the signature should be`)
  const verify = verifierOf(origin.peer)
  if (!verify) throw new RecordFault('not_a_member', `peer ${origin.peer} is no member`)
  const signed = record.subarray(0, record.length - signatureBytes)
  // BEFORE anything inside is looked at: only members' words are parsed further.
  if (!verify(Buffer.concat([domain, signed]), from.bytes(signatureBytes)))
    throw new RecordFault('bad_signature', `peer ${origin.peer} did not sign it`)
  return { origin, body: readBody(kindOf(kindByte), new ByteReader(body)) }
}
