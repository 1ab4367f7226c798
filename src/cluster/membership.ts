// The cluster itself: founded, joined, shown.
import { ShoalError } from '../common/errors.ts'
import { checkName } from '../common/names.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { Address, RestoredCluster } from '../data/protocol.ts'
import { peerName, type SettingsRecord } from '../data/state.ts'
import type { PresenceOf } from './views.ts'
import { safety, votersView } from './voters.ts'

export interface Self {
  peerName: string
  addresses: Address[]
  domains: { rack: string; zone: string }
}

export interface ClusterView {
  name: string
  id: string
  incarnation: number
  level: number
  map_epoch: number
  leader: string | null
  voters: string[]
  voters_down: string[]
  /** Voters that may fail now without stopping decisions. */
  may_fail: number
  peers: number
  disks: number
  /** What the loss of voters would mean, in one sentence. */
  safety: string
  rebuild_after_ms: number
  replace_voter_after_ms: number
}

export interface JoinedView {
  cluster_id: string
  peer_id: number
  peer: string
}

export interface RestoreWish {
  disks: string[]
  /** Of the cluster. */
  name: string | null
  dry_run: boolean
}

export class Membership {
  readonly #cluster: ClusterPort
  readonly #self: Self
  readonly #presenceOf: PresenceOf
  readonly #onJoined: (peerId: number) => void

  constructor(
    cluster: ClusterPort,
    self: Self,
    presenceOf: PresenceOf,
    onJoined: (peerId: number) => void,
  ) {
    this.#cluster = cluster
    this.#self = self
    this.#presenceOf = presenceOf
    this.#onJoined = onJoined
  }

  async init(name: string): Promise<JoinedView> {
    const { peerName: peer_name, addresses, domains } = this.#self
    const joined = await this.#cluster.data.request('cluster.init', {
      name: checkName('cluster', name),
      peer_name,
      addresses,
      domains,
    })
    return this.#joined(joined)
  }

  async token(ttlMs: number): Promise<{ token: string; expires_at: string }> {
    const { addresses } = this.#self
    const made = await this.#cluster.data.request('cluster.token', { ttl_ms: ttlMs, addresses })
    return { token: made.token, expires_at: new Date(made.expires_at_ms).toISOString() }
  }

  /** A witness votes and stores nothing. */
  async join(token: string, witness: boolean): Promise<JoinedView> {
    const { peerName: peer_name, addresses, domains } = this.#self
    const wish = { token: token.trim(), witness, peer_name, addresses, domains }
    const joined = await this.#cluster.data.request('cluster.join', wish).catch(refusedJoin)
    return this.#joined(joined)
  }

  async show(): Promise<ClusterView> {
    const state = await this.#cluster.state()
    const { voters, down, mayFail } = votersView(state, this.#presenceOf)
    return {
      name: state.name,
      id: state.cluster_id,
      incarnation: state.incarnation,
      level: state.level,
      map_epoch: state.map_epoch,
      leader: state.leader === null ? null : peerName(state, state.leader),
      voters,
      voters_down: down,
      may_fail: mayFail,
      peers: state.peers.length,
      disks: state.disks.length,
      safety: safety(state, this.#presenceOf),
      ...state.settings,
    }
  }

  /** The data process ends, and is started again as the only voter of the next incarnation. */
  async recover(name: string): Promise<{ incarnation: number }> {
    const recovered = await this.#cluster.data.request('cluster.recover', { name })
    this.#cluster.invalidate()
    return recovered
  }

  /** Where all peers lost their directories: this one begins anew from what the disks keep. */
  async recoverFromDisks(wanted: RestoreWish): Promise<RestoredCluster> {
    const { peerName: peer_name, addresses, domains } = this.#self
    const { peer_id, ...restored } = await this.#cluster.data.request(
      'cluster.recover_from_disks',
      { ...wanted, peer_name, addresses, domains },
    )
    if (peer_id !== undefined) {
      this.#cluster.invalidate()
      this.#onJoined(peer_id)
    }
    return restored
  }

  /** Null: as it is. */
  async set(wanted: { [K in keyof SettingsRecord]: number | null }): Promise<SettingsRecord> {
    const { settings } = await this.#cluster.state()
    const next = {
      rebuild_after_ms: wanted.rebuild_after_ms ?? settings.rebuild_after_ms,
      replace_voter_after_ms: wanted.replace_voter_after_ms ?? settings.replace_voter_after_ms,
    }
    await this.#cluster.propose({ type: 'set_settings', settings: next })
    return next
  }

  #joined(joined: { cluster_id: string; peer_id: number }): JoinedView {
    this.#cluster.invalidate()
    this.#onJoined(joined.peer_id)
    return { ...joined, peer: this.#self.peerName }
  }
}

export function noCluster(): ShoalError {
  return new ShoalError('no_cluster', 'this peer belongs to no cluster yet', {
    next: 'found one: shoal cluster init; or join one: shoal cluster join TOKEN',
  })
}

/** Most refusals are about the token: used, expired, or not pasted whole. */
function refusedJoin(thrown: unknown): never {
  if (!(thrown instanceof ShoalError) || thrown.next !== null) throw thrown
  const { code, message, why, data } = thrown
  const isToken = message.includes('token')
  const next = isToken ? 'make a new one on a member: shoal cluster token' : null
  throw new ShoalError(code, message, { why, data, next })
}
