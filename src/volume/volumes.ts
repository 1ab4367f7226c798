// Volumes: checks what is asked, proposes the command, explains a refusal.
import { ShoalError } from '../common/errors.ts'
import { checkName } from '../common/names.ts'
import { formatSize } from '../common/units.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { type ClusterState, isActive, peerName, type VolumeRecord } from '../data/state.ts'
import { layoutOf, type VolumeLayout } from './layout.ts'
import { goneDisks, planRecovery, type RecoveryPlan, type Seen } from './recovery.ts'
import { usedBytes, type VolumeView, volumeView, volumeViews } from './volume-view.ts'

/** A volume ends on a whole block of the store. */
const alignBytes = 4096
const sizeBytesMax = 2 ** 46

export interface NewVolume {
  name: string
  size: number
  policy: string | null
  block_size: 512 | 4096
}

export interface RecoveryView extends Omit<RecoveryPlan, 'promotions'> {
  /** Placement groups that go on, or would go on, from older copies. */
  groups: number
  refused: number
}

export class Volumes {
  readonly #cluster: ClusterPort
  readonly #seen: () => Promise<Seen>

  constructor(cluster: ClusterPort, seen: () => Promise<Seen>) {
    this.#cluster = cluster
    this.#seen = seen
  }

  async list(): Promise<VolumeView[]> {
    return volumeViews(await this.#cluster.state())
  }

  async show(name: string): Promise<VolumeView> {
    const state = await this.#cluster.state()
    const volume = findVolume(state, name)
    const usage = await this.#cluster.data.request('volume.usage', { volume: name })
    return volumeView(state, volume, usedBytes(state, volume, usage.written_bytes))
  }

  async layout(name: string): Promise<VolumeLayout> {
    const state = await this.#cluster.state()
    return layoutOf(state, findVolume(state, name))
  }

  /** Without `allowLoss` nothing is changed: it says what may be old. */
  async recover(name: string, allowLoss: boolean): Promise<RecoveryView> {
    const [state, seen] = await Promise.all([this.#cluster.state(), this.#seen()])
    const gone = goneDisks(state, seen)
    const { promotions, ...plan } = planRecovery(state, findVolume(state, name), gone)
    let refused = 0
    for (const { pg, disk, expected } of allowLoss ? promotions : []) {
      const done = await this.#cluster.propose({ type: 'pg_promote', pg, disk, expected })
      refused += (done.results ?? []).filter(one => one.result === 'refused').length
    }
    return { ...plan, groups: promotions.length, refused }
  }

  async create(wanted: NewVolume): Promise<VolumeView> {
    const name = checkName('volume', wanted.name)
    const size_bytes = checkSize(wanted.size)
    const state = await this.#cluster.state()
    refuseTaken(state, name)
    const policy = choosePolicy(state, wanted.policy)
    const { block_size } = wanted
    await this.#cluster.propose({
      type: 'create_volume',
      name,
      size_bytes,
      block_size,
      policy: policy.id,
    })
    return this.#find(name)
  }

  async resize(name: string, size: number): Promise<VolumeView> {
    const volume = findVolume(await this.#cluster.state(), name)
    const size_bytes = checkSize(size)
    if (size_bytes < volume.size_bytes) {
      throw new ShoalError('refused', `${name} cannot shrink to ${formatSize(size)}`, {
        why: `it has ${formatSize(volume.size_bytes)}, and what lies behind the new end would be lost`,
        next: 'create a smaller volume and copy what you need',
      })
    }
    await this.#cluster.propose({
      type: 'resize_volume',
      volume: volume.id,
      size_bytes,
      expected: volume.size_bytes,
    })
    return this.#find(name)
  }

  async rename(name: string, wanted: string): Promise<VolumeView> {
    const state = await this.#cluster.state()
    const volume = findVolume(state, name)
    const to = checkName('volume', wanted)
    refuseTaken(state, to)
    await this.#cluster.propose({ type: 'rename_volume', volume: volume.id, name: to })
    return this.#find(to)
  }

  async delete(name: string): Promise<void> {
    const state = await this.#cluster.state()
    const volume = findVolume(state, name)
    refuseInUse(state, volume)
    await this.#cluster.propose({ type: 'delete_volume', volume: volume.id })
  }

  async #find(name: string): Promise<VolumeView> {
    const state = await this.#cluster.state()
    return volumeView(state, findVolume(state, name), null)
  }
}

export function findVolume(state: ClusterState, name: string): VolumeRecord {
  const volume = state.volumes.find(one => isActive(one) && one.name === name)
  if (volume) return volume
  throw new ShoalError('not_found', `there is no volume named ${name}`, {
    next: 'shoal volume list names them all',
  })
}

function refuseTaken(state: ClusterState, name: string): void {
  if (!state.volumes.some(volume => isActive(volume) && volume.name === name)) return
  throw new ShoalError('exists', `there is a volume named ${name} already`, {
    next: `choose another name, or see: shoal volume show ${name}`,
  })
}

function refuseInUse(state: ClusterState, volume: VolumeRecord): void {
  const found = state.exports.find(one => one.volume === volume.id)
  if (found) {
    const holder = peerName(state, found.peer)
    throw new ShoalError('busy', `${volume.name} is exported on ${holder}`, {
      next: `on ${holder}: shoal export delete ${found.id}`,
      data: { holder },
    })
  }
  if (volume.attachment) {
    const holder = peerName(state, volume.attachment.peer)
    throw new ShoalError('busy', `${volume.name} is attached on ${holder}`, {
      next: `on ${holder}: shoal detach ${volume.name}`,
      data: { holder },
    })
  }
}

function checkSize(size: number): number {
  if (size > 0 && size <= sizeBytesMax && size % alignBytes === 0) return size
  throw new ShoalError('bad_request', `${size} bytes cannot be the size of a volume`, {
    why: `a size is a multiple of ${formatSize(alignBytes)}, at most ${formatSize(sizeBytesMax)}`,
    next: `for example ${formatSize(Math.max(1, Math.ceil(size / 2 ** 20)) * 2 ** 20)}`,
  })
}

function choosePolicy(state: ClusterState, wanted: string | null) {
  const name = wanted ?? 'default'
  const policy = state.policies.find(one => one.name === name)
  if (policy) return policy
  throw new ShoalError('not_found', `there is no policy named ${name}`, {
    next:
      state.policies.length === 0
        ? `create one: shoal policy create ${name} --copies 3`
        : `choose from ${state.policies.map(one => one.name).join(', ')}`,
  })
}
