// The API over a pretend data process: services, server and client, without a daemon around them.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '../../src/api/client.ts'
import { createServer } from '../../src/api/server.ts'
import type { Services } from '../../src/api/services.ts'
import { systemClock } from '../../src/common/clock.ts'
import { loadConfig } from '../../src/common/config.ts'
import { type ErrorCode, ShoalError } from '../../src/common/errors.ts'
import { peerPaths } from '../../src/common/paths.ts'
import { seededRandom } from '../../src/common/random.ts'
import { PeerState } from '../../src/daemon/peer-state.ts'
import { selfOf } from '../../src/daemon/self.ts'
import { buildServices } from '../../src/daemon/services.ts'
import { DataClient } from '../../src/data/client.ts'
import { ClusterPort } from '../../src/data/cluster-port.ts'
import type { ClusterState } from '../../src/data/state.ts'
import { PretendData } from './pretend-data.ts'

export interface ApiFixture {
  dir: string
  data: PretendData
  api: ApiClient
  peer: PeerState
  services: Services
  linkDir: string
  /** Changes the cluster state behind the API's back; it has heard of it when this returns. */
  mutate: (change: (state: ClusterState) => void) => Promise<void>
  close: () => Promise<void>
}

export async function startApi(prepare?: (data: PretendData) => void): Promise<ApiFixture> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-api-'))
  const linkDir = join(dir, 'links')
  const config = loadConfig({ flags: { 'peer.name': 'p1', 'device.link_dir': linkDir } })
  const paths = peerPaths(dir)
  const data = new PretendData()
  prepare?.(data)
  const dataSocket = join(dir, 'data.sock')
  await data.listen(dataSocket)
  const peer = new PeerState(systemClock)
  const { client, hello } = await DataClient.connect({
    socketPath: dataSocket,
    clock: systemClock,
    onEvent: event => {
      if (event.event === 'task') peer.tasks.update(event.data)
      else cluster.invalidate()
      peer.changed()
    },
    onClose: () => peer.disconnected(),
  })
  const cluster = new ClusterPort(client, { clock: systemClock, random: seededRandom(1) })
  peer.connected(hello)
  const self = selfOf(config)
  const services = buildServices({ cluster, config, paths, self, peer, clock: systemClock })
  const app = await createServer(services, '0.1.0')
  const socket = join(dir, 'api.sock')
  await app.listen({ path: socket })
  const close = async () => {
    await app.close()
    client.close()
    await data.close()
    rmSync(dir, { recursive: true })
  }
  const api = new ApiClient(socket)
  const mutate = async (change: (state: ClusterState) => void) => {
    change(data.state!)
    data.changed()
    // The event travels on the same socket as the answer to this, and before it.
    await api.call('device.list')
  }
  return { dir, data, api, peer, services, linkDir, mutate, close }
}

/** The error that a call ends with; the test fails when it succeeds, or with another code. */
export async function failure(call: Promise<unknown>, code: ErrorCode): Promise<ShoalError> {
  try {
    await call
  } catch (thrown) {
    if (thrown instanceof ShoalError && thrown.code === code) return thrown
    throw thrown
  }
  throw new Error(`it succeeded; expected ${code}`)
}
