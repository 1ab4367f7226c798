// A test double of the data process, at the process boundary: it speaks the control protocol over a
// real unix socket and keeps a small cluster state in memory. It carries no data; test/e2e covers
// the real one.
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Command, Outcome, Rejection } from '../../src/data/command.ts'
import { encodeFrame, FrameDecoder } from '../../src/data/frame.ts'
import type { DataEvent, LocalDisk, MethodName } from '../../src/data/protocol.ts'
import type { ClusterState } from '../../src/data/state.ts'
import { addDisk, addPeer, emptyState, makePg, makePolicy, makeVolume } from './cluster-fixture.ts'
import { applyTopology } from './pretend-topology.ts'

type Params = Record<string, unknown>
type Handler = (params: Params) => unknown

export class PretendError extends Error {
  readonly code: string
  readonly data: object | null

  constructor(code: string, message: string, data: object | null = null) {
    super(message)
    this.code = code
    this.data = data
  }
}

export class PretendData {
  state: ClusterState | undefined
  selfId: number | null = null
  /** How every disk of this peer differs from a sound one. */
  localDisk: Partial<LocalDisk> = {}
  readonly calls: { method: string; params: Params }[] = []
  readonly proposals: Command[] = []
  /** Answers that a test puts in place of the usual ones. */
  readonly overrides = new Map<string, Handler>()
  hasKernel = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor() {
    this.#server = createServer(socket => this.#serve(socket))
  }

  async listen(path: string): Promise<void> {
    rmSync(path, { force: true })
    await new Promise<void>(resolve => this.#server.listen(path, resolve))
  }

  /** A crash, as far as control can tell. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
  }

  emit(event: DataEvent): void {
    for (const socket of this.#sockets) socket.write(encodeFrame(event))
  }

  changed(): void {
    this.state!.index++
    this.state!.map_epoch++
    const { index, map_epoch } = this.state!
    this.emit({ event: 'state.changed', data: { index, map_epoch } })
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    const decoder = new FrameDecoder()
    socket.on('data', chunk => {
      for (const message of decoder.push(chunk)) {
        const { id, method, params } = message as { id: number; method: string; params: Params }
        socket.write(encodeFrame({ id, ...this.#answer(method, params) }))
      }
    })
  }

  #answer(method: string, params: Params): object {
    this.calls.push({ method, params })
    try {
      const handler = this.overrides.get(method) ?? this.#handlers[method as MethodName]
      return { result: handler(params) ?? null }
    } catch (thrown) {
      const { code, message, data } = thrown as PretendError
      return { error: { code: code ?? 'internal', message, data: data ?? null } }
    }
  }

  readonly #handlers: Record<MethodName, Handler> = {
    hello: () => ({
      protocol: 1,
      version: '0.1.0',
      pid: process.pid,
      started_at_ms: 1,
      peer_id: this.selfId,
      cluster_id: this.state?.cluster_id ?? null,
    }),
    'cluster.init': params => {
      this.state = emptyState()
      this.state.name = params.name as string
      this.selfId = addPeer(this.state, params.peer_name as string)
      return { cluster_id: this.state.cluster_id, peer_id: this.selfId }
    },
    'cluster.token': params => ({
      token: 'shoal1-x',
      expires_at_ms: 1 + (params.ttl_ms as number),
    }),
    'cluster.join': () => {
      throw new PretendError('refused', 'the token has expired')
    },
    'cluster.leave': () => null,
    'cluster.recover': () => {
      throw new PretendError('conflict', 'a majority of the voters answers')
    },
    'cluster.recover_from_disks': () => {
      throw new PretendError('refused', 'none of these disks keeps the state of the cluster')
    },
    'state.get': () => this.#known(),
    propose: params => ({
      outcome: this.#apply(params.command as Command),
      index: this.state!.index,
    }),
    'disk.probe': () => ({ size: 2 ** 31, kind: 'file', found: null, refusal: null }),
    'disk.add': params => {
      const disk_id = addDisk(this.#known(), this.selfId!)
      this.#known().disks.at(-1)!.path = params.path as string
      this.changed()
      return { disk_id, store_uuid: 'ab'.repeat(16), size: 2 ** 31 }
    },
    'disk.list': () =>
      (this.state?.disks ?? [])
        .filter(disk => disk.peer === this.selfId)
        .map(disk => ({
          disk_id: disk.id,
          path: disk.path,
          state: 'open',
          stats: { used_bytes: 4096 },
          scrub: null,
          ...this.localDisk,
        })),
    'disk.check': () => ({ scrub: 2 ** 48 + 1 }),
    'disk.remove': () => null,
    'volume.attach': params => this.#attachDevice(params),
    'volume.detach': params => {
      this.#volume(params.volume as string).attachment = null
      this.changed()
      return null
    },
    'export.create': params => this.#export(params),
    'export.delete': params => {
      const state = this.#known()
      state.exports = state.exports.filter(one => one.id !== params.export_id)
      this.changed()
      return null
    },
    'volume.scrub': params => ({ scrub: this.#askScrub(params.volume as string) }),
    'volume.usage': () => ({ written_bytes: { '1': 8192 } }),
    'device.list': () =>
      (this.state?.volumes ?? [])
        .filter(volume => volume.attachment?.peer === this.selfId)
        .map(volume => ({
          volume: volume.name,
          path: `/dev/ublkb${volume.id}`,
          kind: volume.attachment!.via,
          state: 'active',
          reason: null,
          head_epoch: 1,
          generation: volume.generation,
          clients: 0,
        })),
    'status.get': () => ({ stores: [], heads: [], sessions: null, joins: [], budget: {} }),
    'metrics.get': () => ({ text: 'shoal_pretend 1\n' }),
    'slow.list': () => [],
    shutdown: () => null,
  }

  #known(): ClusterState {
    if (this.state) return this.state
    throw new PretendError('not_found', 'no cluster')
  }

  #volume(name: string) {
    const volume = this.#known().volumes.find(one => one.name === name)
    if (!volume) throw new PretendError('not_found', `no volume ${name}`)
    return volume
  }

  #attachDevice(params: Params) {
    this.#refuseElsewhere(params)
    return this.#attach(params.volume as string, 'ublk')
  }

  #refuseElsewhere(params: Params) {
    const { attachment } = this.#volume(params.volume as string)
    if (!attachment || attachment.peer === this.selfId || params.takeover === true) return
    throw new PretendError('conflict', 'attached', { code: 'attached', ...attachment })
  }

  #askScrub(name: string): number {
    const state = this.#known()
    const id = (state.events.at(-1)?.id ?? 0) + 1
    const subject = `volume:${this.#volume(name).id}`
    const message = `every copy of volume ${name} is to be read and verified`
    state.events.push({ id, time_ms: id, severity: 'info', code: 'scrub_asked', message, subject })
    this.changed()
    return id
  }

  #attach(name: string, via: 'ublk' | 'export') {
    if (via === 'ublk' && !this.hasKernel)
      throw new PretendError('unsupported', 'this kernel has neither ublk nor nbd')
    const volume = this.#volume(name)
    volume.generation++
    const { generation } = volume
    volume.attachment = { peer: this.selfId!, generation, via, read_only: false, queues: 0 }
    this.changed()
    return { device: `/dev/ublkb${volume.id}`, generation }
  }

  #export(params: Params) {
    this.#refuseElsewhere(params)
    const name = params.volume as string
    if (this.#volume(name).attachment?.peer !== this.selfId) this.#attach(name, 'export')
    const state = this.#known()
    const id = Math.max(0, ...state.exports.map(one => one.id)) + 1
    const path = params.socket as string
    state.exports.push({ id, volume: this.#volume(name).id, peer: this.selfId!, kind: 'nbd', path })
    this.changed()
    return { export_id: id, socket: path }
  }

  #apply(command: Command): Outcome {
    this.proposals.push(command)
    const outcome = applyCommand(this.#known(), command)
    if ('applied' in outcome) this.changed()
    return outcome
  }
}

function applyCommand(state: ClusterState, command: Command): Outcome {
  switch (command.type) {
    case 'create_policy': {
      const id = state.policies.length + 1
      state.policies.push({ ...makePolicy(id, command.policy.name), ...command.policy, pgs: [] })
      return { applied: { type: 'policy', policy: id } }
    }
    case 'set_pg_table': {
      if (command.expected_map_epoch !== state.map_epoch)
        return rejected('stale', 'the map changed')
      const policy = state.policies.find(one => one.id === command.policy)!
      for (const row of command.changes) {
        policy.pgs = policy.pgs.filter(pg => pg.index !== row.index)
        policy.pgs.push(makePg(row.index, row.members))
      }
      policy.pgs.sort((a, b) => a.index - b.index)
      return { applied: { type: 'pgs', results: [] } }
    }
    case 'delete_policy':
      state.policies = state.policies.filter(one => one.id !== command.policy)
      return { applied: { type: 'done' } }
    case 'create_volume': {
      const volume = makeVolume(state.volumes.length + 1, command.name, command.policy)
      state.volumes.push({ ...volume, size_bytes: command.size_bytes })
      return { applied: { type: 'volume', volume: volume.id } }
    }
    case 'resize_volume': {
      const volume = state.volumes.find(one => one.id === command.volume)!
      if (volume.size_bytes !== command.expected) return rejected('stale', 'the volume changed')
      volume.size_bytes = command.size_bytes
      return { applied: { type: 'done' } }
    }
    case 'rename_volume':
      state.volumes.find(one => one.id === command.volume)!.name = command.name
      return { applied: { type: 'done' } }
    case 'delete_volume':
      state.volumes = state.volumes.filter(one => one.id !== command.volume)
      return { applied: { type: 'done' } }
    default:
      return applyTopology(state, command) ?? { applied: { type: 'done' } }
  }
}

function rejected(code: Rejection['code'], message: string): Outcome {
  return { rejected: { code, message } }
}
