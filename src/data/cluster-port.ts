// How the services see the cluster: read its state, propose a change, ask the data process of this
// peer.

import type { Clock } from '../common/clock.ts'
import { type ErrorCode, ShoalError } from '../common/errors.ts'
import type { Random } from '../common/random.ts'
import type { DataPort } from './client.ts'
import type { Applied, Command, Rejection, RejectionCode } from './command.ts'
import type { ClusterState } from './state.ts'

/** A state this old is asked for again, even if no event told of a change. */
const stateAgeMsMax = 250

export interface ClusterPortInit {
  clock: Clock
  random: Random
}

export class ClusterPort {
  readonly data: DataPort
  readonly #clock: Clock
  readonly #random: Random
  #cached: { state: ClusterState; readAtMs: number } | undefined
  #reading: Promise<ClusterState> | undefined
  /** As it came last, however old it is. */
  #last: ClusterState | undefined
  /** Raised by every change: what was read before it is not kept. */
  #generation = 0

  constructor(data: DataPort, init: ClusterPortInit) {
    this.data = data
    this.#clock = init.clock
    this.#random = init.random
  }

  /** Call when an event told of a change, or the connection is a new one. */
  invalidate(): void {
    this.#generation++
    this.#cached = undefined
    this.#reading = undefined
  }

  /** `ageMsMax`: take one this old, unless an event told of a change since. */
  state(ageMsMax: number = stateAgeMsMax): Promise<ClusterState> {
    const cached = this.#cached
    if (cached && this.#clock.monotonicMs() - cached.readAtMs < ageMsMax)
      return Promise.resolve(cached.state)
    this.#reading ??= this.#read(this.#generation)
    return this.#reading
  }

  /** Applied on this peer when it returns; throws what the cluster state answered otherwise. */
  async propose(command: Command): Promise<Applied> {
    const { outcome } = await this.data.request('propose', {
      command,
      proposal_id: this.#random.hex(16),
    })
    this.invalidate()
    if ('rejected' in outcome) throw rejectionError(outcome.rejected)
    return outcome.applied
  }

  async #read(generation: number): Promise<ClusterState> {
    const readAtMs = this.#clock.monotonicMs()
    try {
      const state = await this.#ask()
      if (generation === this.#generation) this.#cached = { state, readAtMs }
      return state
    } finally {
      if (generation === this.#generation) this.#reading = undefined
    }
  }

  async #ask(): Promise<ClusterState> {
    const last = this.#last
    const found = await this.data.request('state.get', last?.tag ? { known: last.tag } : {})
    const state = 'unchanged' in found ? last! : found
    this.#last = state
    return state
  }
}

const rejectionKinds: Record<RejectionCode, ErrorCode> = {
  not_found: 'not_found',
  exists: 'exists',
  stale: 'conflict',
  in_use: 'busy',
  invalid: 'bad_request',
  limit: 'conflict',
  attached: 'busy',
  not_attached: 'conflict',
  head_held: 'busy',
  token_used: 'refused',
  token_expired: 'refused',
  level: 'unsupported',
  placement: 'conflict',
  served: 'would_lose_data',
}

const rejectionHints: Partial<Record<RejectionCode, string>> = {
  stale: 'someone else changed it at the same time; look again and repeat',
  head_held: 'wait for the lease of its holder to run out',
  level: 'upgrade every peer, then: shoal cluster upgrade',
  token_used: 'make a new one: shoal cluster token',
  token_expired: 'make a new one: shoal cluster token',
}

export function rejectionError(rejection: Rejection): ShoalError {
  const code = rejectionKinds[rejection.code] ?? 'conflict'
  return new ShoalError(code, rejection.message, {
    why: 'the cluster state refused the change; nothing was changed',
    next:
      rejection.code === 'served'
        ? servedHint(rejection)
        : (rejectionHints[rejection.code] ?? null),
    data: { ...rejection },
  })
}

function servedHint({ disk }: Rejection): string {
  return (
    'if that peer has just gone, repeat it in a few seconds; if only the disk is broken for good: ' +
    `shoal disk undrain ${disk} has its peer look at it again, or stop Shoal there`
  )
}
