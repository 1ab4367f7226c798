// Binds the API to its unix socket: one daemon per directory, 0660, for the group that may use it.
import { execFile } from 'node:child_process'
import { chmod, chown, lstat, rm } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { ShoalError } from '../common/errors.ts'
import { makeDir } from '../common/make-dir.ts'
import { socketPathBytesMax } from '../common/paths.ts'

const run = promisify(execFile)
const socketMode = 0o660

export async function listen(app: FastifyInstance, path: string, group: string): Promise<void> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new ShoalError('unsupported', `the socket path ${path} is too long for the kernel`, {
      next: `choose a directory so that it has at most ${socketPathBytesMax} bytes`,
    })
  }
  if (await answers(path)) {
    throw new ShoalError('conflict', `another daemon serves ${path} already`, {
      next: 'stop it first, or choose another directory: --dir',
    })
  }
  await clear(path)
  await bind(app, path)
  await chmod(path, socketMode)
  const gid = await groupId(group)
  if (gid !== undefined) await chown(path, process.getuid?.() ?? 0, gid).catch(() => undefined)
}

async function bind(app: FastifyInstance, path: string): Promise<void> {
  try {
    makeDir(dirname(path))
    await app.listen({ path })
  } catch (thrown) {
    throw new ShoalError('usage', `${path} cannot be the socket of the API`, {
      why: (thrown as Error).message,
      next: 'choose another path: api.socket in shoal.toml; or let this user write there',
    })
  }
}

/** A socket that a killed daemon left behind. ANYTHING ELSE STAYS: the path may be a mistake. */
async function clear(path: string): Promise<void> {
  const found = await lstat(path).catch(() => null)
  if (found === null) return
  if (!found.isSocket()) {
    throw new ShoalError('conflict', `${path} is there already, and is no socket`, {
      next: 'choose another path for the socket: api.socket in shoal.toml',
    })
  }
  await rm(path, { force: true })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function groupId(name: string): Promise<number | undefined> {
  try {
    const { stdout } = await run('getent', ['group', name])
    const gid = Number(stdout.split(':')[2])
    return Number.isInteger(gid) ? gid : undefined
  } catch {
    return undefined
  }
}
