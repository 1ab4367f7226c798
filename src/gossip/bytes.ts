// Little-endian fields, written and read one after the other. Reading never goes beyond the end and
// never makes room by a length that it has not checked.
import { RecordFault } from './faults.ts'

export class ByteWriter {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    return this.#number(1, view => view.setUint8(0, value))
  }

  u16(value: number): this {
    return this.#number(2, view => view.setUint16(0, value, true))
  }

  u32(value: number): this {
    return this.#number(4, view => view.setUint32(0, value, true))
  }

  u64(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no u64`)
    return this.#number(8, view => view.setBigUint64(0, BigInt(value), true))
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value)
    return this
  }

  /** One or two bytes of length, then UTF-8, cut to `bytesMax` at a character. */
  text(value: string, bytesMax: number): this {
    const bytes = cutText(value, bytesMax)
    if (bytesMax > 255) this.u16(bytes.length)
    else this.u8(bytes.length)
    return this.bytes(bytes)
  }

  get length(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0)
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts)
  }

  #number(size: number, set: (view: DataView) => void): this {
    const bytes = new Uint8Array(size)
    set(new DataView(bytes.buffer))
    return this.bytes(bytes)
  }
}

function cutText(value: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(value, 'utf8')
  if (bytes.length <= bytesMax) return bytes
  let end = bytesMax
  // A byte 10xxxxxx goes on with a character that began before.
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  u64(): number {
    const value = Number(this.#view.getBigUint64(this.#skip(8), true))
    if (Number.isSafeInteger(value)) return value
    throw new RecordFault('bad_value', 'a number is beyond 2^53')
  }

  bytes(size: number): Uint8Array {
    const from = this.#skip(size)
    return this.#bytes.subarray(from, from + size)
  }

  text(bytesMax: number): string {
    const size = bytesMax > 255 ? this.u16() : this.u8()
    if (size > bytesMax) throw new RecordFault('bad_value', `a text of ${size} bytes`)
    try {
      return utf8.decode(this.bytes(size))
    } catch (thrown) {
      if (thrown instanceof RecordFault) throw thrown
      throw new RecordFault('bad_value', 'a text is not UTF-8')
    }
  }

  #skip(size: number): number {
    if (size > this.left)
      throw new RecordFault('truncated', `${size - this.left} bytes are missing`)
    const from = this.#at
    this.#at += size
    return from
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
