// Peers: listed, shown, removed.
import { ShoalError } from '../common/errors.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import { setDisk, updatePeer } from '../data/command.ts'
import { holdings } from '../data/holdings.ts'
import type { ClusterState, PeerRecord, VolumeRecord } from '../data/state.ts'
import { okToStop, type StopCheck } from './stop-check.ts'
import { type PeerView, type PresenceOf, peerView } from './views.ts'
import { canVote } from './voters.ts'

/** What leaves with a set of disks; asked of the disk service, which this room may not import. */
export type RemovalQuestion = (
  state: ClusterState,
  disks: ReadonlySet<number>,
) => { lost: number; degraded: number; isStuck: boolean }

export interface RemovalWish {
  /** With its data on it: the copies are made anew elsewhere. */
  force: boolean
  /** Although not all of them can be. */
  allow_degraded: boolean
}

export class Peers {
  readonly #cluster: ClusterPort
  readonly #whatRemovalLoses: RemovalQuestion
  readonly #presenceOf: PresenceOf
  readonly #nowMs: () => number

  constructor(
    cluster: ClusterPort,
    whatRemovalLoses: RemovalQuestion,
    presenceOf: PresenceOf,
    nowMs: () => number,
  ) {
    this.#cluster = cluster
    this.#whatRemovalLoses = whatRemovalLoses
    this.#presenceOf = presenceOf
    this.#nowMs = nowMs
  }

  async list(): Promise<PeerView[]> {
    const state = await this.#cluster.state()
    const held = holdings(state)
    return state.peers.map(peer => peerView(state, peer, this.#presenceOf(peer.id), held))
  }

  async show(name: string): Promise<PeerView> {
    const state = await this.#cluster.state()
    return this.#view(state, findPeer(state, name))
  }

  /** Takes the peer and its disks out; it is forgotten once nothing rests on it. */
  async remove(name: string, how: RemovalWish): Promise<PeerView> {
    const state = await this.#cluster.state()
    const peer = findPeer(state, name)
    refuseVoter(state, peer)
    refuseHolder(state, peer)
    const disks = state.disks.filter(disk => disk.peer === peer.id)
    this.#refuseLoss(state, peer, new Set(disks.map(disk => disk.id)), how)
    for (const disk of disks) {
      await this.#cluster.propose(setDisk(disk.id, { state: 'out' }))
    }
    await this.#cluster.propose(updatePeer(peer.id, { state: 'out' }))
    return this.#view(state, { ...peer, state: 'out' })
  }

  /** Until then nothing is made anew because of it. 0: not any more. */
  async maintenance(name: string, forMs: number): Promise<PeerView> {
    const state = await this.#cluster.state()
    const peer = findPeer(state, name)
    const maintenance_until_ms = forMs === 0 ? 0 : this.#nowMs() + forMs
    await this.#cluster.propose(updatePeer(peer.id, { maintenance_until_ms }))
    return this.#view(state, { ...peer, maintenance_until_ms })
  }

  async okToStop(name: string): Promise<StopCheck> {
    const state = await this.#cluster.state()
    return okToStop(state, findPeer(state, name))
  }

  #view(state: ClusterState, peer: PeerRecord): PeerView {
    return peerView(state, peer, this.#presenceOf(peer.id))
  }

  #refuseLoss(
    state: ClusterState,
    peer: PeerRecord,
    disks: ReadonlySet<number>,
    how: RemovalWish,
  ): void {
    const loss = this.#whatRemovalLoses(state, disks)
    if (loss.lost > 0) {
      throw new ShoalError('would_lose_data', `peer ${peer.name} holds the last copy of data`, {
        why: `${loss.lost} placement groups have no other copy that is in sync`,
        next: 'bring the other copies back first: shoal status says how',
        data: { ...loss },
      })
    }
    if (loss.degraded > 0 && loss.isStuck && !how.allow_degraded) {
      throw new ShoalError('would_lose_data', `without ${peer.name} there are too few copies`, {
        why: `${loss.degraded} placement groups would stay short of copies`,
        next: `add disks elsewhere first, or accept it: shoal peer remove ${peer.name} --allow-degraded`,
        data: { ...loss },
      })
    }
    if (loss.degraded > 0 && !how.force && !how.allow_degraded) {
      throw new ShoalError('busy', `peer ${peer.name} holds data`, {
        why: `${loss.degraded} placement groups have a copy there`,
        next:
          `let it be left first: shoal peer drain ${peer.name}; ` +
          `or have the copies made anew: shoal peer remove ${peer.name} --force`,
        data: { ...loss },
      })
    }
  }
}

export function findPeer(state: ClusterState, name: string): PeerRecord {
  const peer = state.peers.find(one => one.name === name)
  if (peer) return peer
  throw new ShoalError('not_found', `there is no peer named ${name}`, {
    next: 'shoal peer list names them all',
  })
}

/** A voter that goes is replaced first, by itself; the last one that can vote stays. */
function refuseVoter(state: ClusterState, peer: PeerRecord): void {
  const others = state.peers.filter(one => one.id !== peer.id && canVote(state, one))
  if (!state.voters.includes(peer.id) || others.some(one => one.state === 'in')) return
  throw new ShoalError('conflict', `${peer.name} cannot be removed: nobody else could decide`, {
    why: 'it votes, and no other peer that could is there',
    next: 'let another peer join first: shoal cluster token',
  })
}

function refuseHolder(state: ClusterState, peer: PeerRecord): void {
  const held = state.volumes.filter(volume => volume.attachment?.peer === peer.id)
  if (held.length === 0) return
  throw new ShoalError('busy', `${peer.name} has ${held.length} volumes attached`, {
    why: held.map(volume => volume.name).join(', '),
    next: `on ${peer.name}: ${release(state, held[0]!)}`,
    data: { volumes: held.map(volume => volume.name) },
  })
}

function release(state: ClusterState, { id, name, attachment }: VolumeRecord): string {
  const found = state.exports.find(one => one.volume === id && one.peer === attachment?.peer)
  const isExported = attachment?.via === 'export' && found !== undefined
  return isExported ? `shoal export delete ${found.id}` : `shoal detach ${name}`
}
