// The way out when no control process answers. A data process that lives takes the device down itself:
// it owes the kernel answers, and it would go on with a device that is gone. With none, the device goes by
// the files that describe it.

import { readlink, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Clock, systemClock } from '../common/clock.ts'
import { ShoalError } from '../common/errors.ts'
import { DataClient } from '../data/client.ts'
import { forceDetach } from '../native.ts'

const linkDir = '/dev/shoal'

/** `apiSocket`: DIR/run/shoal.sock of the peer that had the volume; its device files lie beside it. */
export async function detachWithoutDaemon(
  apiSocket: string,
  volume: string,
  clock: Clock = systemClock,
): Promise<void> {
  const run = dirname(apiSocket)
  const data = await connectData(join(run, 'data.sock'), clock)
  const device = data
    ? await detachBy(data, volume).finally(() => data.close())
    : forceDetach(join(run, 'devices'), volume)
  const link = join(linkDir, volume)
  const target = await readlink(link).catch(() => null)
  if (target === device) await unlink(link).catch(() => undefined)
}

async function connectData(socketPath: string, clock: Clock): Promise<DataClient | null> {
  const ignored = () => undefined
  try {
    const init = { socketPath, clock, onEvent: ignored, onClose: ignored }
    return (await DataClient.connect(init)).client
  } catch (thrown) {
    if (thrown instanceof ShoalError && thrown.code === 'unavailable') return null
    throw thrown
  }
}

/** Gives the path of the device that was there. */
async function detachBy(data: DataClient, volume: string): Promise<string | null> {
  const served = await data.request('device.list', {})
  await data.request('volume.detach', { volume, force: true })
  return served.find(one => one.volume === volume)?.path ?? null
}
