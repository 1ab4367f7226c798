// A small NBD client with many requests in flight, for tests that need to know when each of them
// was sent and answered. It never connects again by itself.
import { connect, type Socket } from 'node:net'

export const blockBytes = 4096
const magicOption = 0x49484156454f5054n
const optionGo = 7
const replyAck = 1
const requestMagic = 0x25609513
const replyMagic = 0x67446698
const helloBytes = 18
const optionReplyBytes = 20
const replyBytes = 16
const commandRead = 0
const commandWrite = 1

/** What became of a request: an errno of NBD (0: fine), or the connection ended first. */
export type Outcome = { errno: number; data: Buffer | null } | 'gone'

interface Waiting {
  length: number
  resolve: (outcome: Outcome) => void
}

export class NbdSocket {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #received: Buffer[] = []
  #size = 0
  #wanted: { bytes: number; give: (bytes: Buffer | null) => void } | null = null
  #next = 1
  #isGone = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#received.push(chunk)
      this.#size += chunk.length
      this.#feed()
    })
    socket.on('error', () => this.#end())
    socket.on('close', () => this.#end())
  }

  /** `nbd+unix:///NAME?socket=PATH`; null when there is nothing to talk to. */
  static async open(uri: string): Promise<NbdSocket | null> {
    const { pathname, searchParams } = new URL(uri)
    const socket = connect(searchParams.get('socket')!)
    const client = new NbdSocket(socket)
    const isOpen = await client.#negotiate(pathname.slice(1))
    if (!isOpen) {
      client.close()
      return null
    }
    void client.#takeReplies()
    return client
  }

  get isGone(): boolean {
    return this.#isGone
  }

  read(block: number): Promise<Outcome> {
    return this.#ask(commandRead, block, null)
  }

  write(block: number, data: Buffer): Promise<Outcome> {
    return this.#ask(commandWrite, block, data)
  }

  close(): void {
    this.#socket.destroy()
    this.#end()
  }

  async #negotiate(name: string): Promise<boolean> {
    if (!(await this.#take(helloBytes))) return false
    const option = Buffer.alloc(4 + 16 + 4 + name.length + 2)
    option.writeUInt32BE(3, 0)
    option.writeBigUInt64BE(magicOption, 4)
    option.writeUInt32BE(optionGo, 12)
    option.writeUInt32BE(4 + name.length + 2, 16)
    option.writeUInt32BE(name.length, 20)
    option.write(name, 24)
    this.#socket.write(option)
    for (;;) {
      const head = await this.#take(optionReplyBytes)
      if (!head) return false
      const type = head.readUInt32BE(12)
      const length = head.readUInt32BE(16)
      if (length > 0 && !(await this.#take(length))) return false
      if (type === replyAck) return true
      if (type >= 2 ** 31) return false
    }
  }

  #ask(command: number, block: number, data: Buffer | null): Promise<Outcome> {
    if (this.#isGone) return Promise.resolve('gone')
    const cookie = this.#next++
    const head = Buffer.alloc(28)
    head.writeUInt32BE(requestMagic, 0)
    head.writeUInt16BE(command, 6)
    head.writeBigUInt64BE(BigInt(cookie), 8)
    head.writeBigUInt64BE(BigInt(block * blockBytes), 16)
    head.writeUInt32BE(blockBytes, 24)
    return new Promise(resolve => {
      this.#waiting.set(cookie, { length: data ? 0 : blockBytes, resolve })
      this.#socket.write(data ? Buffer.concat([head, data]) : head)
    })
  }

  async #takeReplies(): Promise<void> {
    for (;;) {
      const head = await this.#take(replyBytes)
      if (!head) return
      const cookie = Number(head.readBigUInt64BE(8))
      const waiting = this.#waiting.get(cookie)
      if (head.readUInt32BE(0) !== replyMagic || !waiting) {
        this.close()
        return
      }
      const errno = head.readUInt32BE(4)
      const data = errno === 0 && waiting.length > 0 ? await this.#take(waiting.length) : null
      if (errno === 0 && waiting.length > 0 && !data) return
      this.#waiting.delete(cookie)
      waiting.resolve({ errno, data })
    }
  }

  /** The next bytes; null once the connection has ended. */
  #take(bytes: number): Promise<Buffer | null> {
    return new Promise(give => {
      this.#wanted = { bytes, give }
      this.#feed()
    })
  }

  #feed(): void {
    const wanted = this.#wanted
    if (!wanted) return
    if (this.#size < wanted.bytes) {
      if (!this.#isGone) return
      this.#wanted = null
      wanted.give(null)
      return
    }
    const all = Buffer.concat(this.#received)
    this.#received = [all.subarray(wanted.bytes)]
    this.#size -= wanted.bytes
    this.#wanted = null
    wanted.give(all.subarray(0, wanted.bytes))
  }

  #end(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#feed()
    for (const { resolve } of this.#waiting.values()) resolve('gone')
    this.#waiting.clear()
  }
}
