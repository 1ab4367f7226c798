// Devices: how this peer shows volumes to its kernel.
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { heldElsewhere, isHeldElsewhere } from '../data/held-elsewhere.ts'
import type { ServedDevice } from '../data/protocol.ts'
import { type ClusterState, isActive, peerName, type VolumeRecord } from '../data/state.ts'
import type { DeviceLinks } from './links.ts'

export interface AttachRequest {
  volume: string
  via: 'auto' | 'ublk' | 'nbd'
  read_only: boolean
  /** 0: as many as the peer likes. */
  queues: number
  /** Fence the attachment of whichever peer has the volume. */
  takeover: boolean
}

export interface DeviceView {
  volume: string
  /** The name under /dev/shoal; the device itself where that directory cannot be written. */
  device: string
  path: string
  kind: string
  state: string
  /** Why it does not serve, where that is known. */
  reason: string | null
  generation: number
  clients: number
}

/** Makes the kernel's driver available, as far as it can be. */
export type DriverLoader = (via: AttachRequest['via'] | 'export') => Promise<void>

export interface DevicesInit {
  cluster: ClusterPort
  links: DeviceLinks
  selfId: () => number | null
  loadDriver: DriverLoader
}

export class Devices {
  readonly #cluster: ClusterPort
  readonly #links: DeviceLinks
  readonly #selfId: () => number | null
  readonly #loadDriver: DriverLoader

  constructor(init: DevicesInit) {
    this.#cluster = init.cluster
    this.#links = init.links
    this.#selfId = init.selfId
    this.#loadDriver = init.loadDriver
  }

  async list(): Promise<DeviceView[]> {
    const served = await this.#cluster.data.request('device.list', {})
    return Promise.all(served.map(one => this.#view(one)))
  }

  /** The same again when it is attached here already. */
  async attach(request: AttachRequest): Promise<DeviceView> {
    const state = await this.#cluster.state()
    findAttachable(state, request.volume)
    const present = await this.#served(request.volume)
    // One that is fenced is refused below, with what to do.
    if (present && present.state !== 'fenced') return this.#view(present)
    await this.#refuseForeignLink(request.volume)
    await this.#loadDriver(request.via)
    const attached = await this.#cluster.data
      .request('volume.attach', request)
      .catch(thrown => this.#explain(thrown, request.volume))
    this.#cluster.invalidate()
    const served = await this.#served(request.volume)
    await this.#setLink(request.volume, attached.device)
    return this.#view(
      served ?? {
        volume: request.volume,
        path: attached.device,
        kind: attached.kind,
        state: 'active',
        reason: null,
        head_epoch: 0,
        generation: attached.generation,
        clients: 0,
      },
    )
  }

  async #explain(thrown: unknown, name: string): Promise<never> {
    if (!isHeldElsewhere(thrown)) throw thrown
    this.#cluster.invalidate()
    const state = await this.#cluster.state()
    throw heldElsewhere(state, findAttachable(state, name), `shoal attach ${name}`) ?? thrown
  }

  async detach(name: string, force: boolean): Promise<void> {
    const served = await this.#served(name)
    if (!served) await this.#refuseUnattached(name)
    await this.#cluster.data.request('volume.detach', { volume: name, force })
    this.#cluster.invalidate()
    if (served?.path) await this.#links.remove(name, served.path)
  }

  /** A device that was fenced is detached here, whoever has the volume now. */
  async #refuseUnattached(name: string): Promise<void> {
    const state = await this.#cluster.state()
    const volume = findAttachable(state, name)
    const self = this.#selfId()
    if (volume.fenced.some(one => one.peer === self)) return
    refuseOther(state, volume, self)
    refuseExported(state, volume)
    if (volume.attachment) return
    throw new ShoalError('conflict', `${name} is not attached here`, {
      next: 'shoal device list shows what is',
    })
  }

  /** After a restart, or a rename: the links follow what is served, and take no living one over. */
  async syncLinks(): Promise<void> {
    const served = (await this.#cluster.data.request('device.list', {})).filter(isDevice)
    for (const one of served) if (one.path === null) await this.#loadDriver(one.kind)
    for (const link of await this.#links.list()) {
      const owner = served.find(one => one.path === link.device)
      if (owner && owner.volume !== link.volume) await this.#links.remove(link.volume, link.device)
    }
    for (const one of served) {
      if (one.path && !(await this.#foreignLink(one.volume, served))) {
        await this.#setLink(one.volume, one.path)
      }
    }
  }

  async #served(volume: string): Promise<ServedDevice | undefined> {
    const served = await this.#cluster.data.request('device.list', {})
    return served.find(one => one.volume === volume && isDevice(one))
  }

  async #refuseForeignLink(volume: string): Promise<void> {
    const served = await this.#cluster.data.request('device.list', {})
    const device = await this.#foreignLink(volume, served)
    if (device === null) return
    throw new ShoalError('conflict', `${this.#links.path(volume)} leads to ${device} already`, {
      why: 'another daemon of this machine has attached a volume of that name',
      next: 'detach it there first, or rename this volume',
    })
  }

  /** Two daemons of one machine share /dev/shoal: where a living link of the other one leads. */
  async #foreignLink(volume: string, served: ServedDevice[]): Promise<string | null> {
    const device = await this.#links.read(volume)
    if (device === null || served.some(one => one.path === device)) return null
    return (await deviceExists(device)) ? device : null
  }

  async #setLink(volume: string, device: string): Promise<void> {
    await this.#links.set(volume, device).catch(() => undefined)
  }

  async #view(served: ServedDevice): Promise<DeviceView> {
    const path = served.path ?? ''
    const isLinked = path !== '' && (await this.#links.read(served.volume)) === path
    return {
      volume: served.volume,
      device: isLinked ? this.#links.path(served.volume) : path,
      path,
      kind: served.kind,
      state: served.state,
      reason: served.reason ?? null,
      generation: served.generation,
      clients: served.clients,
    }
  }
}

function isDevice(served: ServedDevice): boolean {
  return served.kind !== 'export'
}

async function deviceExists(path: string): Promise<boolean> {
  const { access } = await import('node:fs/promises')
  return access(path).then(
    () => true,
    () => false,
  )
}

function findAttachable(state: ClusterState, name: string): VolumeRecord {
  const volume = state.volumes.find(one => isActive(one) && one.name === name)
  if (volume) return volume
  throw new ShoalError('not_found', `there is no volume named ${name}`, {
    next: 'shoal volume list names them all',
  })
}

/** Without a device there is nothing to detach: the exports are what holds the volume. */
function refuseExported(state: ClusterState, volume: VolumeRecord): void {
  const found = state.exports.find(one => one.volume === volume.id)
  if (volume.attachment?.via !== 'export' || !found) return
  throw new ShoalError('conflict', `${volume.name} is exported, not attached`, {
    next: `shoal export delete ${found.id}`,
  })
}

function refuseOther(state: ClusterState, volume: VolumeRecord, self: number | null): void {
  const { attachment } = volume
  if (!attachment || attachment.peer === self) return
  const holder = peerName(state, attachment.peer)
  throw new ShoalError('busy', `${volume.name} is attached on ${holder}`, {
    why: 'one peer at a time has a volume',
    next: `on ${holder}: shoal detach ${volume.name}`,
    data: { holder, generation: attachment.generation },
  })
}
