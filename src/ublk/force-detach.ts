// The way out when no daemon runs: takes the device down by the files that describe it, and its
// link.

import { readlink, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { forceDetach } from '../native.ts'

const linkDir = '/dev/shoal'

/** `apiSocket`: DIR/run/shoal.sock of the peer that had the volume; its device files lie beside it. */
export async function detachWithoutDaemon(apiSocket: string, volume: string): Promise<void> {
  const device = forceDetach(join(dirname(apiSocket), 'devices'), volume)
  const link = join(linkDir, volume)
  const target = await readlink(link).catch(() => null)
  if (target === device) await unlink(link).catch(() => undefined)
}
