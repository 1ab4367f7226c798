// Frames of the control socket (docs/formats/control.md): `u32 LE length | JSON object`. A message that
// does not fit into one comes as several; bit 31 of the length says that it goes on in the next.
import { ShoalError } from '../common/errors.ts'

export const frameBytesMax = 16 * 1024 * 1024
/** Of all frames of one message. */
export const messageBytesMax = 256 * 1024 * 1024
const headerBytes = 4
const more = 2 ** 31

export function encodeFrame(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8')
  if (body.length > frameBytesMax)
    throw new ShoalError('bad_request', `a message of ${body.length} bytes is too long to send`)
  const frame = Buffer.allocUnsafe(headerBytes + body.length)
  frame.writeUInt32LE(body.length, 0)
  body.copy(frame, headerBytes)
  return frame
}

/** Takes bytes as they come and gives whole messages. After an error it is dead. */
export class FrameDecoder {
  #chunks: Buffer[] = []
  #bytes = 0
  /** Frames of a message that goes on. */
  #parts: Buffer[] = []
  #partBytes = 0

  push(chunk: Buffer): Record<string, unknown>[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const messages: Record<string, unknown>[] = []
    for (;;) {
      const header = this.#nextHeader()
      if (!header || this.#bytes < headerBytes + header.length) return messages
      const body = this.#take(header.length)
      if (header.goesOn) this.#parts.push(body)
      else messages.push(parseBody(this.#whole(body)))
    }
  }

  #nextHeader(): { length: number; goesOn: boolean } | undefined {
    if (this.#bytes < headerBytes) return undefined
    const first = this.#chunks[0]!.length >= headerBytes ? this.#chunks[0]! : this.#join()
    const word = first.readUInt32LE(0)
    const goesOn = word >= more
    const length = goesOn ? word - more : word
    // An empty frame that goes on would let a message grow without bytes.
    if (length > frameBytesMax || (goesOn && length === 0))
      throw new ShoalError('io', `the data process announced a message of ${length} bytes`)
    if (this.#partBytes + length > messageBytesMax)
      throw new ShoalError('io', `the data process sent a message beyond ${messageBytesMax} bytes`)
    return { length, goesOn }
  }

  #take(length: number): Buffer {
    const joined = this.#join()
    const rest = joined.subarray(headerBytes + length)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#bytes = rest.length
    this.#partBytes += length
    return joined.subarray(headerBytes, headerBytes + length)
  }

  #whole(last: Buffer): Buffer {
    const body = this.#parts.length > 0 ? Buffer.concat([...this.#parts, last]) : last
    this.#parts = []
    this.#partBytes = 0
    return body
  }

  #join(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }
}

function parseBody(body: Buffer): Record<string, unknown> {
  let message: unknown
  try {
    message = JSON.parse(body.toString('utf8'))
  } catch {
    throw new ShoalError('io', 'the data process sent a message that is no JSON')
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    throw new ShoalError('io', 'the data process sent a message that is no object')
  return message as Record<string, unknown>
}
