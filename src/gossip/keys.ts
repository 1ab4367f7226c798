// Ed25519 with raw keys, on Node's own cryptography.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'

/** What PKCS #8 and SubjectPublicKeyInfo put before the 32 bytes of an Ed25519 key. */
const seedPrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex')

export const signatureBytes = 64
export const publicKeyBytes = 32

export type Signer = (bytes: Uint8Array) => Uint8Array
export type Verifier = (bytes: Uint8Array, signature: Uint8Array) => boolean

export function signerOf(seed: Uint8Array): Signer {
  const key = privateKeyOf(seed)
  return bytes => sign(null, bytes, key)
}

export function verifierOf(publicKey: Uint8Array): Verifier {
  const der = Buffer.concat([publicPrefix, publicKey])
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  return (bytes, signature) => verify(null, bytes, key, signature)
}

export function publicKeyOfSeed(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyOf(seed)).export({ format: 'der', type: 'spki' })
  return der.subarray(publicPrefix.length)
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  const key = Buffer.concat([seedPrefix, seed])
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

/** 64 hex digits, or `ed25519:` and base64url; undefined when it is neither. */
export function parsePublicKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/.test(text)) return Uint8Array.from(Buffer.from(text, 'hex'))
  const match = /^ed25519:([A-Za-z0-9_-]{43})$/.exec(text)
  return match ? Uint8Array.from(Buffer.from(match[1]!, 'base64url')) : undefined
}
