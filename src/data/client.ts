// One connection to the data process. It never reconnects by itself: who owns it decides what a
// lost connection means.
import { createConnection, type Socket } from 'node:net'
import type { Clock } from '../common/clock.ts'
import { isErrorCode, ShoalError } from '../common/errors.ts'
import { encodeFrame, FrameDecoder } from './frame.ts'
import {
  type DataEvent,
  type DataMethods,
  type Hello,
  type MethodName,
  protocolMax,
  protocolMin,
  timeoutMs,
} from './protocol.ts'

interface Pending {
  method: string
  resolve: (result: unknown) => void
  reject: (error: ShoalError) => void
  cancelTimeout: () => void
}

export interface DataClientInit {
  socketPath: string
  clock: Clock
  onEvent: (event: DataEvent) => void
  /** Called once, when a connection that stood is gone. */
  onClose: (error: ShoalError) => void
}

/** Whatever can ask the data process something. */
export interface DataPort {
  request<M extends MethodName>(
    method: M,
    params: DataMethods[M]['params'],
  ): Promise<DataMethods[M]['result']>
}

export class DataClient implements DataPort {
  readonly #socket: Socket
  readonly #init: DataClientInit
  readonly #pending = new Map<number, Pending>()
  readonly #decoder = new FrameDecoder()
  #nextId = 1
  #closedWith: ShoalError | undefined

  /** Connects and says hello; throws `unreachable` when nobody answers. */
  static async connect(init: DataClientInit): Promise<{ client: DataClient; hello: Hello }> {
    const socket = await open(init.socketPath)
    const client = new DataClient(init, socket)
    try {
      const params = { protocol_min: protocolMin, protocol_max: protocolMax, client: 'control' }
      const hello = await client.request('hello', params)
      return { client, hello }
    } catch (thrown) {
      client.close()
      throw thrown
    }
  }

  private constructor(init: DataClientInit, socket: Socket) {
    this.#init = init
    this.#socket = socket
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error => this.#end(lost(error.message)))
    socket.on('close', () => this.#end(lost('the connection was closed')))
  }

  request<M extends MethodName>(
    method: M,
    params: DataMethods[M]['params'],
  ): Promise<DataMethods[M]['result']> {
    if (this.#closedWith) return Promise.reject(this.#closedWith)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const limitMs = timeoutMs(method)
      const cancelTimeout = this.#init.clock.after(limitMs, () => {
        this.#pending.delete(id)
        reject(
          new ShoalError('timeout', `${method} took longer than ${limitMs / 1000} s`, {
            next: 'it goes on in the data process; look at shoal status',
          }),
        )
      })
      this.#pending.set(id, {
        method,
        resolve: resolve as Pending['resolve'],
        reject,
        cancelTimeout,
      })
      this.#socket.write(encodeFrame({ id, method, params }))
    })
  }

  close(): void {
    this.#end(lost('this side closed the connection'))
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) this.#dispatch(message)
    } catch (thrown) {
      this.#end(thrown instanceof ShoalError ? thrown : lost(String(thrown)))
    }
  }

  #dispatch(message: Record<string, unknown>): void {
    if (typeof message.event === 'string') {
      this.#init.onEvent({ event: message.event, data: message.data } as DataEvent)
      return
    }
    const pending = this.#pending.get(message.id as number)
    if (!pending) return
    this.#pending.delete(message.id as number)
    pending.cancelTimeout()
    if ('error' in message) pending.reject(remoteError(message.error))
    else pending.resolve(message.result)
  }

  #end(error: ShoalError): void {
    if (this.#closedWith) return
    this.#closedWith = error
    this.#socket.destroy()
    for (const pending of this.#pending.values()) {
      pending.cancelTimeout()
      pending.reject(error)
    }
    this.#pending.clear()
    this.#init.onClose(error)
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', error => reject(lost(error.message)))
  })
}

function lost(why: string): ShoalError {
  return new ShoalError('unavailable', 'the data process does not answer', {
    why,
    next: 'it is started again by itself; see shoal status and the log of the daemon',
  })
}

function remoteError(raw: unknown): ShoalError {
  const error = (raw ?? {}) as { code?: unknown; message?: unknown; data?: unknown }
  const code = isErrorCode(error.code) ? error.code : 'internal'
  const isObject = typeof error.data === 'object' && error.data !== null
  const data = isObject ? (error.data as Record<string, unknown>) : null
  return new ShoalError(code, String(error.message ?? 'the data process gave no reason'), {
    next: typeof data?.next === 'string' ? data.next : null,
    data,
  })
}
