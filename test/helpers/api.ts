// The API of a peer of a test cluster, called without a new process for each command.
import { ApiClient } from '../../src/api/client.ts'
import { ShoalError } from '../../src/common/errors.ts'
import { sleep } from './sleep.ts'

const retryMs = 50

export function apiOf(server: string): ApiClient {
  return new ApiClient(server.replace(/^unix:/, ''))
}

/** Repeats while the holder's lease is good, a leader is elected or the peer starts. */
export async function exportAt(
  api: ApiClient,
  volume: string,
  options: { takeover?: boolean; limitMs: number },
): Promise<{ id: number; uri: string }> {
  const body = { volume, kind: 'nbd', takeover: options.takeover === true } as const
  return retried(options.limitMs, () => api.call('export.create', { body }))
}

/** Until it does not throw what passes by itself. */
export async function retried<T>(limitMs: number, ask: () => Promise<T>): Promise<T> {
  const end = Date.now() + limitMs
  for (;;) {
    try {
      return await ask()
    } catch (thrown) {
      if (!(thrown instanceof ShoalError) || Date.now() > end) throw thrown
    }
    await sleep(retryMs)
  }
}

/** Until the head of the volume serves at this peer. */
export async function untilServed(api: ApiClient, volume: string, limitMs: number): Promise<void> {
  const end = Date.now() + limitMs
  for (;;) {
    const served = await retried(limitMs, () => api.call('device.list'))
    if (served.some(one => one.volume === volume && one.state === 'active')) return
    if (Date.now() > end)
      throw new Error(`${volume} was not served within ${limitMs} ms: ${JSON.stringify(served)}`)
    await sleep(retryMs)
  }
}
