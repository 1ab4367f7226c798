// The members of the cluster as gossip needs them: who may be dialled and answered, and who signs.
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { parsePublicKey, type Verifier, verifierOf } from './keys.ts'
import { addressesPerMemberMax } from './limits.ts'
import { toMultiaddr } from './listen-address.ts'

export interface Member {
  peer: number
  /** Ed25519, as the cluster state shows it. */
  publicKey: string
  /** HOST:PORT of its gossip. */
  addresses: readonly string[]
}

interface KnownMember {
  peer: number
  publicKey: string
  /** How libp2p names the key. */
  peerId: string
  verifier: Verifier
  multiaddrs: string[]
}

export class MemberTable {
  #byPeer = new Map<number, KnownMember>()
  #byPeerId = new Map<string, KnownMember>()

  get size(): number {
    return this.#byPeer.size
  }

  /** Those that are new here, or moved. */
  replace(members: readonly Member[]): number[] {
    const byPeer = new Map<number, KnownMember>()
    const changed: number[] = []
    for (const member of members) {
      const before = this.#byPeer.get(member.peer)
      const known = knownMember(member, before)
      if (!known) continue
      byPeer.set(member.peer, known)
      if (before?.peerId !== known.peerId || `${before.multiaddrs}` !== `${known.multiaddrs}`)
        changed.push(member.peer)
    }
    this.#byPeer = byPeer
    this.#byPeerId = new Map([...byPeer.values()].map(known => [known.peerId, known]))
    return changed
  }

  peers(): number[] {
    return [...this.#byPeer.keys()]
  }

  has(peer: number): boolean {
    return this.#byPeer.has(peer)
  }

  peerOf(peerId: string): number | undefined {
    return this.#byPeerId.get(peerId)?.peer
  }

  peerIdOf(peer: number): string | undefined {
    return this.#byPeer.get(peer)?.peerId
  }

  multiaddrsOf(peer: number): string[] {
    return this.#byPeer.get(peer)?.multiaddrs ?? []
  }

  verifierOf(peer: number): Verifier | undefined {
    return this.#byPeer.get(peer)?.verifier
  }
}

/** Undefined when the cluster state holds something that is no key: nobody can have it. */
function knownMember(member: Member, before: KnownMember | undefined): KnownMember | undefined {
  const { peer, publicKey } = member
  const multiaddrs = member.addresses
    .slice(0, addressesPerMemberMax)
    .flatMap(address => toMultiaddr(address) ?? [])
  if (before?.publicKey === publicKey) return { ...before, multiaddrs }
  const raw = parsePublicKey(publicKey)
  if (!raw) return undefined
  try {
    const peerId = peerIdFromPublicKey(publicKeyFromRaw(raw)).toString()
    return { peer, publicKey, peerId, verifier: verifierOf(raw), multiaddrs }
  } catch {
    return undefined
  }
}
