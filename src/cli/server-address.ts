// Which daemon a command talks to: --server, else SHOAL_SERVER, else the one of this machine.
import { existsSync } from 'node:fs'
import { ShoalError } from '../common/errors.ts'
import { peerPaths } from '../common/paths.ts'

export const defaultDir = '/var/lib/shoal'
const systemSocket = '/run/shoal/shoal.sock'

/** The path of the unix socket. */
export function serverSocket(server: string | undefined): string {
  if (server === undefined || server === '') {
    return existsSync(systemSocket) ? systemSocket : peerPaths(defaultDir).apiSocket
  }
  if (server.startsWith('unix:')) return server.slice('unix:'.length)
  if (server.startsWith('/')) return server
  throw new ShoalError('usage', `"${server}" is no address of a daemon`, {
    next: 'write --server unix:/path/to/shoal.sock',
  })
}
