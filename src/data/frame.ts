// Frames of the control socket (docs/formats/control.md): `u32 LE length | JSON object`.
import { ShoalError } from '../common/errors.ts'

export const frameBytesMax = 16 * 1024 * 1024
const headerBytes = 4

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

  push(chunk: Buffer): Record<string, unknown>[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    const messages: Record<string, unknown>[] = []
    for (;;) {
      const length = this.#nextLength()
      if (length === undefined || this.#bytes < headerBytes + length) return messages
      const joined = this.#join()
      messages.push(parseBody(joined.subarray(headerBytes, headerBytes + length)))
      const rest = joined.subarray(headerBytes + length)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#bytes = rest.length
    }
  }

  #nextLength(): number | undefined {
    if (this.#bytes < headerBytes) return undefined
    const first = this.#chunks[0]!.length >= headerBytes ? this.#chunks[0]! : this.#join()
    const length = first.readUInt32LE(0)
    if (length > frameBytesMax)
      throw new ShoalError('io', `the data process announced a message of ${length} bytes`)
    return length
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
