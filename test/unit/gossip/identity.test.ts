import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ShoalError } from '../../../src/common/errors.ts'
import { loadIdentity, parseIdentity } from '../../../src/gossip/identity.ts'
import { parsePublicKey, signerOf, verifierOf } from '../../../src/gossip/keys.ts'

const identity = suite('identity')
const goldenPath = join(import.meta.dirname, '../../golden/wire-identity.txt')
const golden = new Map(
  readFileSync(goldenPath, 'utf8')
    .split('\n')
    .map((line): [string, string] => {
      const space = line.indexOf(' ')
      return [line.slice(0, space), line.slice(space + 1)]
    }),
)
const line = `${golden.get('key-file')}\n`

function refusal(text: string): string | null {
  try {
    parseIdentity(text, 'x')
    return null
  } catch (thrown) {
    assert.instance(thrown, ShoalError)
    return (thrown as ShoalError).why
  }
}

identity('the file that the data process writes is read', () => {
  const found = parseIdentity(line, 'x')
  assert.is(Buffer.from(found.seed).toString('hex'), golden.get('seed'))
  assert.equal(found.publicKey, parsePublicKey(golden.get('public-key')!))
  const bytes = Buffer.from('words')
  assert.ok(verifierOf(found.publicKey)(bytes, signerOf(found.seed)(bytes)))
})

identity('a file with any letter changed, cut or added is refused', () => {
  for (let at = 0; at < line.length; at++) {
    const other = line[at] === 'A' ? 'B' : 'A'
    assert.ok(refusal(line.slice(0, at) + other + line.slice(at + 1)), `letter ${at}`)
    assert.ok(refusal(line.slice(0, at)), `cut at ${at}`)
  }
  assert.ok(refusal(`${line} `))
  assert.ok(refusal(line + line))
  assert.match(refusal(`${golden.get('authority-file')}\n`)!, 'not the line of a peer key')
})

identity('halves that do not belong together are refused, with a right checksum', async () => {
  const { createHash } = await import('node:crypto')
  const keys = Buffer.concat([new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)])
  const sum = createHash('sha256').update('shoal-key-1 peer').update(keys).digest().subarray(0, 8)
  const text = Buffer.concat([keys, sum]).toString('base64url')
  assert.match(refusal(`shoal-key-1 peer ${text}\n`)!, 'belong together')
})

identity('a file that others may read, or that is none, is told apart', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-identity-'))
  const path = join(dir, 'identity.key')
  try {
    assert.is(await loadIdentity(path), undefined)
    writeFileSync(path, line, { mode: 0o600 })
    assert.is(Buffer.from((await loadIdentity(path))!.seed).toString('hex'), golden.get('seed'))
    chmodSync(path, 0o640)
    const exposed = await loadIdentity(path).catch(thrown => thrown)
    assert.match(exposed.message, 'may be read by others')
    chmodSync(path, 0o600)
    writeFileSync(path, 'x'.repeat(300))
    assert.match((await loadIdentity(path).catch(thrown => thrown)).why, '300 bytes')
  } finally {
    rmSync(dir, { recursive: true })
  }
})

identity('a public key is read in both of its forms, and nothing else is one', () => {
  const hex = Buffer.from(parsePublicKey(golden.get('public-key')!)!).toString('hex')
  assert.equal(parsePublicKey(hex), parsePublicKey(golden.get('public-key')!))
  for (const text of ['', hex.slice(1), `${hex}00`, 'ed25519:', hex.toUpperCase()])
    assert.is(parsePublicKey(text), undefined, text)
})

identity.run()
