// Disks: found, added, shown, removed.
import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { checkDiskSize } from '../common/disk-size.ts'
import { ShoalError } from '../common/errors.ts'
import { formatSize } from '../common/units.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { setDisk } from '../data/command.ts'
import { type Holding, holdings } from '../data/holdings.ts'
import type { DiskProbe, LocalDisk } from '../data/protocol.ts'
import { type ClusterState, type DiskClass, type DiskRecord, peerName } from '../data/state.ts'
import { type BlockDevice, listBlockDevices } from './lsblk.ts'
import { whatRemovalLoses } from './removal.ts'
import { type RemoveCheck, safeToRemove } from './safe-to-remove.ts'

export interface NewDisk {
  path: string
  /** Bytes; only for a file, which is made that long. */
  size: number | null
  class: DiskClass | null
  wipe: boolean
  /** It holds a store of this cluster, which is taken in as it is. */
  existing?: boolean | undefined
  /** Most of a new file is only allocated: made sooner, slower when it is first written. */
  reserve?: boolean | undefined
}

export interface DiskView {
  id: number
  peer: string
  path: string
  size: number
  /** Null when the peer that holds it has not told. */
  used: number | null
  class: string
  weight: number
  labels: string[]
  /** Bytes that are kept free. */
  reserve: number
  /** Correction of its share by how full it got; 1: none. */
  fill_factor: number
  state: string
  /** Why it does not serve, where this peer holds it and knows. */
  reason: string | null
  /** Median time of a small write, microseconds; null while not known. */
  write_us: number | null
  /** Placement groups that have a copy on it. */
  groups: number
  /** Of these, the ones of which no other copy is in sync. */
  only_copies: number
  stats: Record<string, number> | null
}

/** Of disks of other peers, as far as they told: used bytes, and the median time of a write. */
export interface Elsewhere {
  used: () => Iterable<[number, number]>
  writes: () => Iterable<[number, number]>
}

export class Disks {
  readonly #cluster: ClusterPort
  readonly #elsewhere: Elsewhere

  constructor(cluster: ClusterPort, elsewhere: Elsewhere) {
    this.#cluster = cluster
    this.#elsewhere = elsewhere
  }

  async scan(): Promise<BlockDevice[]> {
    const local = await this.#local()
    const found = await listBlockDevices()
    return found.map(one =>
      local.some(disk => disk.path === one.path)
        ? { ...one, refusal: 'it is a disk of this cluster' }
        : one,
    )
  }

  async list(): Promise<DiskView[]> {
    const [state, local] = await Promise.all([this.#cluster.state(), this.#local()])
    const known = this.#known(state, local)
    return state.disks.map(disk => diskView(known, disk))
  }

  async show(id: number): Promise<DiskView> {
    const [state, local] = await Promise.all([this.#cluster.state(), this.#local()])
    return diskView(this.#known(state, local), findDisk(state, id))
  }

  async add(wanted: NewDisk): Promise<DiskView> {
    if (!isAbsolute(wanted.path)) {
      throw new ShoalError('bad_request', `${wanted.path} is no absolute path`, {
        next: 'name the disk as the daemon sees it, for example /dev/nvme1n1',
      })
    }
    const own = (await this.#local()).find(disk => disk.path === wanted.path)
    if (own) {
      throw new ShoalError('exists', `${wanted.path} is a disk of this peer already`, {
        next: `shoal disk show ${own.disk_id}`,
      })
    }
    const there = await stat(wanted.path).catch(() => undefined)
    if (there?.isDirectory()) throw noDiskAtAll(wanted.path)
    const isThere = there !== undefined
    const isExisting = wanted.existing === true
    if (isThere && isExisting) return this.#bring(wanted.path)
    if (isThere) refuseProbe(wanted, await this.#probe(wanted.path))
    else if (wanted.size === null || isExisting) throw noSuchDisk(wanted.path)
    // A file that is there is made longer, never shorter.
    if (!there || there.isFile()) checkDiskSize(Math.max(wanted.size ?? 0, there?.size ?? 0))
    const added = await this.#cluster.data.request('disk.add', {
      path: wanted.path,
      size: wanted.size,
      class: wanted.class ?? (await classOfPath(wanted.path)),
      wipe: wanted.wipe,
      existing: false,
      reserve: wanted.reserve === true,
    })
    this.#cluster.invalidate()
    return this.show(added.disk_id)
  }

  /** After the cluster was restored from its disks. */
  async #bring(path: string): Promise<DiskView> {
    const brought = { path, size: null, class: await classOfPath(path), wipe: false }
    const added = await this.#cluster.data.request('disk.add', { ...brought, existing: true })
    this.#cluster.invalidate()
    return this.show(added.disk_id)
  }

  async safeToRemove(id: number): Promise<RemoveCheck> {
    const state = await this.#cluster.state()
    return safeToRemove(state, findDisk(state, id))
  }

  /** Takes the disk out; its data is made anew elsewhere, and then the disk is forgotten. */
  async remove(id: number, how: { force: boolean; allow_degraded: boolean }): Promise<DiskView> {
    const state = await this.#cluster.state()
    const disk = findDisk(state, id)
    const losses = whatRemovalLoses(state, new Set([id]))
    if (losses.lost > 0) {
      throw new ShoalError('would_lose_data', `disk ${id} holds the last copy of data`, {
        why: `${losses.lost} placement groups have no other copy that is in sync`,
        next: 'bring the other copies back first: shoal status says how',
        data: { ...losses },
      })
    }
    if (losses.degraded > 0 && losses.isStuck && !how.allow_degraded) {
      throw new ShoalError('would_lose_data', `without disk ${id} there are too few copies`, {
        why: `${losses.degraded} placement groups would stay short: no other disk may take their place`,
        next: `add a disk first, or accept it: shoal disk remove ${id} --allow-degraded`,
        data: { ...losses },
      })
    }
    if (losses.degraded > 0 && !how.force && !how.allow_degraded) {
      throw new ShoalError('busy', `disk ${id} holds data`, {
        why: `${losses.degraded} placement groups have a copy on it`,
        next:
          `let it be left first: shoal disk drain ${id}; ` +
          `or have the copies made anew: shoal disk remove ${id} --force`,
        data: { ...losses },
      })
    }
    await this.#cluster.propose(setDisk(id, { state: 'out' }))
    return diskView(this.#known(state, await this.#local()), { ...disk, state: 'out' })
  }

  #known(state: ClusterState, local: LocalDisk[]): Known {
    const used = new Map(this.#elsewhere.used())
    const writes = new Map(this.#elsewhere.writes())
    return { state, local, used, writes, held: holdings(state) }
  }

  #probe(path: string): Promise<DiskProbe> {
    return this.#cluster.data.request('disk.probe', { path })
  }

  #local(): Promise<LocalDisk[]> {
    return this.#cluster.data.request('disk.list', {})
  }
}

export function findDisk(state: ClusterState, id: number): DiskRecord {
  const disk = state.disks.find(one => one.id === id)
  if (disk) return disk
  throw new ShoalError('not_found', `there is no disk ${id}`, {
    next: 'shoal disk list names them all',
  })
}

interface Known {
  state: ClusterState
  local: LocalDisk[]
  /** Of disks of other peers. */
  used: ReadonlyMap<number, number>
  writes: ReadonlyMap<number, number>
  held: (disk: number) => Holding
}

function diskView({ state, local, used, writes, held }: Known, disk: DiskRecord): DiskView {
  const here = local.find(one => one.disk_id === disk.id)
  const { groups, onlyCopies } = held(disk.id)
  return {
    id: disk.id,
    peer: peerName(state, disk.peer),
    path: disk.path,
    size: disk.size_bytes,
    used: here ? (here.stats.used_bytes ?? null) : (used.get(disk.id) ?? null),
    class: disk.class,
    weight: disk.weight,
    labels: disk.labels,
    reserve: disk.reserve_bytes,
    fill_factor: disk.fill_factor / 1024,
    state: stateOf(disk, here),
    reason: here?.reason ?? null,
    write_us: (here ? here.stats.write_us : writes.get(disk.id)) || null,
    groups,
    only_copies: onlyCopies,
    stats: here?.stats ?? null,
  }
}

/** Whoever holds the disk knows why it is down; what a person decided goes first. */
function stateOf(disk: DiskRecord, here: LocalDisk | undefined): string {
  const isOurs = disk.state === 'in' || disk.state === 'down'
  return isOurs && here && here.state !== 'open' ? here.state : disk.state
}

function refuseProbe(wanted: NewDisk, probe: DiskProbe): void {
  if (probe.refusal === null || (wanted.wipe && probe.found !== null)) return
  const isWipeable = probe.found !== null
  throw new ShoalError('refused', `${wanted.path} was not added`, {
    why: probe.refusal,
    next: isWipeable
      ? `to destroy what is on it: shoal disk add ${wanted.path} --wipe --confirm ${wanted.path}`
      : `choose another one (${formatSize(probe.size)} found here): shoal disk scan`,
    data: { found: probe.found },
  })
}

function noDiskAtAll(path: string): ShoalError {
  return new ShoalError('bad_request', `${path} is a directory`, {
    next: 'shoal disk scan shows what is there; to make a file, say how large: --size 10GiB',
  })
}

function noSuchDisk(path: string): ShoalError {
  return new ShoalError('not_found', `there is no ${path} on this peer`, {
    next: 'shoal disk scan shows what is there; to make a file, say how large: --size 10GiB',
  })
}

async function classOfPath(path: string): Promise<DiskClass> {
  const found = await listBlockDevices().catch(() => [])
  return found.find(one => one.path === path)?.class ?? 'ssd'
}
