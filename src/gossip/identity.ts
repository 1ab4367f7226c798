// The key file of a peer (docs/formats/wire.md, section 5): read here, written by the data process.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ShoalError } from '../common/errors.ts'
import { publicKeyOfSeed } from './keys.ts'

export interface Identity {
  /** Private key of RFC 8032. */
  seed: Uint8Array
  publicKey: Uint8Array
}

const seedBytes = 32
const keyBytes = 32
const sumBytes = 8
const fileBytesMax = 256
const readableByOthers = 0o077
const linePattern = /^shoal-key-1 peer ([A-Za-z0-9_-]+)\n$/

/** Undefined when there is none yet: this peer is no member of a cluster. */
export async function loadIdentity(path: string): Promise<Identity | undefined> {
  const file = await open(path, 'r').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined
    throw new ShoalError('io', `${path} cannot be read`, { why: thrown.message })
  })
  if (!file) return undefined
  try {
    const { mode, size } = await file.stat()
    if ((mode & readableByOthers) !== 0) throw exposed(path, mode)
    if (size > fileBytesMax) throw damaged(path, `it has ${size} bytes`)
    return parseIdentity(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

export function parseIdentity(text: string, path: string): Identity {
  const match = linePattern.exec(text)
  if (!match) throw damaged(path, 'it is not the line of a peer key')
  const bytes = Buffer.from(match[1]!, 'base64url')
  if (bytes.length !== seedBytes + keyBytes + sumBytes || bytes.toString('base64url') !== match[1])
    throw damaged(path, `it holds ${bytes.length} bytes`)
  const keys = bytes.subarray(0, seedBytes + keyBytes)
  const sum = createHash('sha256').update('shoal-key-1 peer').update(keys).digest()
  if (!sum.subarray(0, sumBytes).equals(bytes.subarray(seedBytes + keyBytes)))
    throw damaged(path, 'its checksum is wrong')
  const seed = Uint8Array.from(keys.subarray(0, seedBytes))
  const publicKey = Uint8Array.from(keys.subarray(seedBytes))
  if (!Buffer.from(publicKeyOfSeed(seed)).equals(publicKey))
    throw damaged(path, 'its two halves do not belong together')
  return { seed, publicKey }
}

function damaged(path: string, why: string): ShoalError {
  return new ShoalError('refused', `the identity in ${path} is damaged`, {
    why,
    next: 'put back a copy of the file; without one, remove this peer from the cluster and join anew',
  })
}

function exposed(path: string, mode: number): ShoalError {
  return new ShoalError('refused', `the identity in ${path} may be read by others`, {
    why: `its mode is 0${(mode & 0o777).toString(8)}`,
    next: `chmod 0600 ${path}; if someone else may have read it, remove this peer and join anew`,
  })
}
