// The API as the command line uses it: plain HTTP over the unix socket of a peer.
import { request } from 'node:http'
import { fromProblem, type Problem, ShoalError } from '../common/errors.ts'
import type { Contract } from './contract.ts'
import { type EndpointName, endpoint } from './endpoints.ts'

const replyBytesMax = 256 * 1024 * 1024

export interface CallInput<K extends EndpointName> {
  params?: Contract[K]['params']
  query?: Partial<Contract[K]['query']>
  body?: Contract[K]['body']
}

export class ApiClient {
  readonly socketPath: string

  constructor(socketPath: string) {
    this.socketPath = socketPath
  }

  async call<K extends EndpointName>(
    name: K,
    input: CallInput<K> = {},
  ): Promise<Contract[K]['reply']> {
    const { method, path } = endpoint(name)
    const reply = await this.#send(method, fillPath(path, input), input.body)
    if (reply.status >= 400) throw readProblem(reply)
    return (reply.body === '' ? null : JSON.parse(reply.body)) as Contract[K]['reply']
  }

  async text(path: string): Promise<string> {
    const reply = await this.#send('GET', path, undefined)
    if (reply.status >= 400) throw readProblem(reply)
    return reply.body
  }

  #send(method: string, path: string, body: unknown): Promise<{ status: number; body: string }> {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: this.socketPath,
          method,
          path,
          headers: payload
            ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
            : {},
        },
        incoming => {
          const chunks: Buffer[] = []
          let bytes = 0
          incoming.on('data', (chunk: Buffer) => {
            chunks.push(chunk)
            bytes += chunk.length
            if (bytes > replyBytesMax) incoming.destroy(new Error('the reply is too long'))
          })
          incoming.on('error', error => reject(unreachable(this.socketPath, error)))
          incoming.on('end', () =>
            resolve({
              status: incoming.statusCode ?? 500,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          )
        },
      )
      outgoing.on('error', error => reject(unreachable(this.socketPath, error)))
      outgoing.end(payload)
    })
  }
}

function fillPath(
  path: string,
  input: { params?: unknown; query?: Record<string, unknown> },
): string {
  const params = (input.params ?? {}) as Record<string, unknown>
  const filled = path.replace(/:(\w+)/g, (_, key: string) =>
    encodeURIComponent(String(params[key])),
  )
  const query = Object.entries(input.query ?? {}).filter(([, value]) => value !== undefined)
  if (query.length === 0) return filled
  return `${filled}?${new URLSearchParams(query.map(([key, value]): [string, string] => [key, String(value)]))}`
}

function readProblem(reply: { status: number; body: string }): ShoalError {
  try {
    return fromProblem(JSON.parse(reply.body) as Problem)
  } catch {
    return new ShoalError('internal', `the daemon answered ${reply.status} without a reason`)
  }
}

function unreachable(path: string, error: NodeJS.ErrnoException): ShoalError {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new ShoalError('denied', `you may not use the socket ${path}`, {
      next: 'run this as root, or become a member of the group shoal',
    })
  }
  const why =
    error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
      ? `nothing listens on ${path}`
      : `${path}: ${error.message}`
  return new ShoalError('unreachable', 'the daemon cannot be reached', {
    why,
    next: 'start it: shoal daemon run; or name another one: --server unix:PATH',
  })
}
