import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Clock, systemClock } from '../../../src/common/clock.ts'
import { seededRandom } from '../../../src/common/random.ts'
import { RecordFault, type RecordFaultCode } from '../../../src/gossip/faults.ts'
import { signerOf, verifierOf } from '../../../src/gossip/keys.ts'
import { recordBytesMax } from '../../../src/gossip/limits.ts'
import { MemberTable } from '../../../src/gossip/members.ts'
import type { Body, DigestBody, GossipRecord } from '../../../src/gossip/record.ts'
import { decodeRecord, encodeRecord } from '../../../src/gossip/record-codec.ts'
import { Records } from '../../../src/gossip/records.ts'
import { clusterId, digestOf, eventOf, identityOf } from './world.ts'

const records = suite('gossip records')
const origin = { peer: 1, incarnation: 1_700_000_000_000, sequence: 5 }
const sign = signerOf(identityOf(1).seed)
const verifiers = new Map([1, 2].map(peer => [peer, verifierOf(identityOf(peer).publicKey)]))
const verifierOfPeer = (peer: number) => verifiers.get(peer)

const bodies: Body[] = [
  { kind: 'map', map_epoch: 9 },
  digestOf(77, { state: 'leaving' }),
  digestOf(0, { disks: [], scrubs: [{ disk: 7, order: 0, done: 0, total: 1, eta_s: null }] }),
  { ...eventOf('Grüße 🐟'), severity: 'error' },
]

function faultOf(work: () => unknown): RecordFaultCode | 'none' {
  try {
    work()
    return 'none'
  } catch (thrown) {
    if (thrown instanceof RecordFault) return thrown.code
    throw thrown
  }
}

const decode = (bytes: Uint8Array) => decodeRecord(clusterId, bytes, verifierOfPeer)

records('what is said is what is heard, in the same bytes each time', () => {
  for (const body of bodies) {
    const bytes = encodeRecord(clusterId, origin, body, sign)
    assert.equal(decode(bytes), { origin, body })
    assert.equal(encodeRecord(clusterId, origin, body, sign), bytes)
  }
})

records('the bytes are those of the golden file', () => {
  const golden = readFileSync(join(import.meta.dirname, '../../golden/gossip-records.txt'), 'utf8')
  const lines = bodies.map(body => {
    const bytes = encodeRecord(clusterId, origin, body, sign)
    return `${body.kind} ${Buffer.from(bytes).toString('hex')}\n`
  })
  assert.is(lines.join(''), golden)
})

records('digests of before write times, what is full, and scrubs were told are heard', () => {
  for (const [version, write_us, full] of [
    [1, 0, 'no'],
    [2, 250, 'no'],
    [3, 250, 'data'],
  ] as const) {
    const path = join(import.meta.dirname, `../../golden/gossip-records-${version}.txt`)
    const lines = readFileSync(path, 'utf8').split('\n')
    const digest = lines.find(line => line.startsWith('digest '))!
    const { body } = decode(Buffer.from(digest.split(' ')[1]!, 'hex'))
    assert.ok(body.kind === 'digest' && body.disks.length === 1)
    assert.is(body.disks[0]!.write_us, write_us)
    assert.is(body.disks[0]!.full, full)
    assert.equal(body.scrubs, [])
  }
})

records('texts are cut at a character, and lists at their bound', () => {
  const long = { ...eventOf('🐟'.repeat(300)), code: 'c'.repeat(100) }
  const { body } = decode(encodeRecord(clusterId, origin, long, sign))
  assert.equal(body, { ...long, message: '🐟'.repeat(256), code: 'c'.repeat(64) })
  const disk = {
    id: 1,
    size_bytes: 2,
    used_bytes: 1,
    state: 's'.repeat(40),
    write_us: 1,
    full: 'no' as const,
  }
  const scrub = { disk: 1, order: 0, done: 1, total: 2, eta_s: 1 }
  const scrubs = Array.from({ length: 100 }, () => scrub)
  const heard = (digest: DigestBody) => {
    const bytes = encodeRecord(clusterId, origin, digest, sign)
    assert.ok(bytes.length <= recordBytesMax)
    const { body } = decode(bytes)
    assert.ok(body.kind === 'digest')
    return [body.disks.length, body.scrubs.length]
  }
  const disks = Array.from({ length: 400 }, () => disk)
  assert.equal(heard(digestOf(1, { disks, scrubs })), [256, 10], 'what there is room for')
  const open = disks.map(one => ({ ...one, state: 'open' }))
  assert.equal(heard(digestOf(1, { disks: open, scrubs })), [256, 64])
})

records('not one bit may be changed, no byte cut or added', () => {
  const bytes = encodeRecord(clusterId, origin, bodies[1]!, sign)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    assert.is.not(
      faultOf(() => decode(changed)),
      'none',
      `bit ${bit}`,
    )
  }
  for (let size = 0; size < bytes.length; size++)
    assert.is.not(
      faultOf(() => decode(bytes.subarray(0, size))),
      'none',
    )
  assert.is(
    faultOf(() => decode(Buffer.concat([bytes, Buffer.from([0])]))),
    'truncated',
  )
})

records('forged, foreign, later and oversized ones are told apart', () => {
  const body = bodies[0]!
  const of = (peer: number, by: number, cluster = clusterId) =>
    faultOf(() =>
      decode(encodeRecord(cluster, { ...origin, peer }, body, signerOf(identityOf(by).seed))),
    )
  assert.is(of(2, 2), 'none')
  assert.is(of(2, 1), 'bad_signature')
  assert.is(of(3, 3), 'not_a_member')
  assert.is(of(1, 1, 'ab'.repeat(16)), 'wrong_cluster')
  assert.is(
    faultOf(() => decode(new Uint8Array(recordBytesMax + 1))),
    'too_long',
  )
  const later = Uint8Array.from(encodeRecord(clusterId, origin, body, sign))
  later[4] = 2
  assert.is(
    faultOf(() => decode(later)),
    'later_format',
  )
})

/** A record with any body, rightly signed: what a faulty or hostile member may send. */
function signedWith(kind: number, body: Uint8Array): Uint8Array {
  const template = encodeRecord(clusterId, origin, { kind: 'map', map_epoch: 1 }, sign)
  const head = Buffer.from(template.subarray(0, 48))
  head[5] = kind
  head.writeUInt16LE(body.length, 6)
  const signed = Buffer.concat([head, body])
  return Buffer.concat([signed, sign(Buffer.concat([Buffer.from('shoal gossip 1\0'), signed]))])
}

records('what a later version adds at the end is skipped; a kind of it is not known', () => {
  const epoch = Buffer.alloc(8)
  epoch.writeUInt32LE(9)
  const found = decode(signedWith(1, Buffer.concat([epoch, Buffer.from('more')])))
  assert.equal(found.body, { kind: 'map', map_epoch: 9 })
  assert.is(
    faultOf(() => decode(signedWith(4, epoch))),
    'unknown_kind',
  )
})

records('a member may sign any nonsense: it is read or refused, never more', () => {
  const random = seededRandom(7)
  let refused = 0
  for (let round = 0; round < 1500; round++) {
    const body = bodies[round % bodies.length]!
    const bytes = encodeRecord(clusterId, origin, body, sign)
    const inner = Buffer.from(bytes.subarray(48, bytes.length - 64))
    for (let count = 1 + Math.floor(random.fraction() * 3); count > 0; count--)
      inner[Math.floor(random.fraction() * inner.length)] = Math.floor(random.fraction() * 256)
    const cut = inner.subarray(0, Math.ceil(random.fraction() * inner.length * 1.5))
    if (faultOf(() => decode(signedWith(bytes[5]!, cut))) !== 'none') refused++
  }
  assert.ok(refused > 300 && refused < 1500, `${refused}`)
})

function hearing(self: number, clock: Clock = systemClock) {
  const members = new MemberTable()
  const list = [1, 2].map(peer => ({
    peer,
    publicKey: Buffer.from(identityOf(peer).publicKey).toString('hex'),
    addresses: [],
  }))
  members.replace(list)
  const news: GossipRecord[] = []
  const faults: string[] = []
  const found = new Records({
    ...{ clusterId, self, members, clock, sign: signerOf(identityOf(self).seed) },
    onNews: record => news.push(record),
    onFault: fault => faults.push(fault.code),
  })
  return {
    records: found,
    members,
    news,
    faults,
    peerId: (peer: number) => members.peerIdOf(peer)!,
  }
}

records('each is heard once; an older one is not heard after a newer one', () => {
  const { records: here, news, faults, peerId } = hearing(2)
  const said = (sequence: number, incarnation = origin.incarnation) =>
    encodeRecord(clusterId, { peer: 1, incarnation, sequence }, digestOf(sequence), sign)
  assert.is(here.published(said(5), peerId(1)), 'accept')
  assert.is(here.published(said(5), peerId(1)), 'ignore')
  assert.is(here.published(said(4), peerId(1)), 'ignore')
  assert.is(here.published(said(1, origin.incarnation + 1), peerId(1)), 'accept')
  assert.is(here.published(said(6), peerId(1)), 'ignore')
  here.take([said(7), said(2, origin.incarnation + 1)])
  assert.equal(
    news.map(({ body }) => (body.kind === 'digest' ? body.sent_at_ms : 0)),
    [5, 1, 2],
  )
  assert.equal(faults, [])
})

records('a record in the name of another is refused, and passed on it is not', () => {
  const { records: here, news, faults, peerId } = hearing(2)
  const theirs = encodeRecord(clusterId, origin, bodies[0]!, sign)
  assert.is(here.published(theirs, peerId(2)), 'reject')
  assert.is(here.published(theirs, 'a stranger'), 'reject')
  assert.is(here.published(Buffer.from('hello'), peerId(1)), 'reject')
  assert.equal(faults, ['not_its_signer', 'not_its_signer', 'not_a_record'])
  assert.is(news.length, 0)
  here.take([theirs])
  assert.is(news.length, 1)
})

records('a peer whose clock was set back is heard all the same', () => {
  const before = hearing(1, { ...systemClock, nowMs: () => 5_000 })
  const old = before.records.say(digestOf(1))
  const other = hearing(2)
  other.records.take([old])
  const after = hearing(1, { ...systemClock, nowMs: () => 3_000 })
  // What it says at first is older than what is known of it.
  other.records.take([after.records.say(digestOf(2))])
  assert.is(other.news.length, 1)
  after.records.take(other.records.missing(after.records.summary()))
  other.records.take([after.records.say(digestOf(3))])
  assert.is(other.news.length, 2)
})

records.run()
