// What an operator should know about the cluster as this peer sees it: a pure function.
import { formatSize } from '../common/units.ts'
import { type ClusterState, type PolicyRecord, width } from '../data/state.ts'
import { type Check, found, ok } from './check.ts'

export interface ClusterFacts {
  state: ClusterState
  self: number
  /** Of the machine that this peer runs on. */
  hypervisor: string | null
  /** Memory of all stores of this peer together. */
  memoryBytes: number
  /** What their indexes may need when the disks are full. */
  memoryWantedBytes: number
  /** Local disks that are files, by the device of the file system that they lie on. */
  files: ReadonlyMap<number, number>
  /** Those among them that others than their owner may open. */
  openFiles: readonly string[]
}

export function clusterChecks(facts: ClusterFacts): Check[] {
  const checks = [memory(facts), files(facts), openFiles(facts), addresses(facts)]
  return [...checks, ...facts.state.policies.flatMap(policy => policyChecks(policy, facts))]
}

function policyChecks(policy: PolicyRecord, { hypervisor }: ClusterFacts): Check[] {
  return [reads(policy, hypervisor), redundancy(policy)]
}

/** A LEASE IS COUNTED BY A CLOCK: one that stops while others go on ends it too late. */
function reads(policy: PolicyRecord, hypervisor: string | null): Check {
  const name = `reads of ${policy.name}`
  if (policy.reads === 'confirmed' || hypervisor === null) return ok(name, policy.reads)
  return found(
    'warn',
    name,
    `this peer runs under ${hypervisor}: while a machine is suspended, saved or moved its clock may ` +
      'stop, and a lease that others took for over would still be read under here',
    `unless such clocks never stop: shoal policy set ${policy.name} --reads confirmed`,
  )
}

function redundancy(policy: PolicyRecord): Check {
  const name = `copies of ${policy.name}`
  const copies = width(policy)
  if (copies === 1) {
    const message = 'one copy: what its disk loses is lost'
    return found('warn', name, message, `shoal policy set ${policy.name} --copies 3`)
  }
  if (policy.min_in_sync === 1) {
    const message = 'a single copy may acknowledge writes (min_in_sync 1): its loss loses them'
    return found('note', name, message, 'for three copies min_in_sync 2 is usual')
  }
  return ok(name, `${copies}, ${policy.min_in_sync} have to acknowledge`)
}

/** All volumes' blocks are in them. */
function openFiles({ openFiles }: ClusterFacts): Check {
  const name = 'files of disks'
  if (openFiles.length === 0) return ok(name, 'nobody else may open them')
  const message = `other users may open ${openFiles.join(', ')}, and read what volumes hold`
  return found('warn', name, message, `chmod 600 ${openFiles.join(' ')}`)
}

function memory({ memoryBytes, memoryWantedBytes: wanted }: ClusterFacts): Check {
  if (wanted <= memoryBytes) return ok('memory', `${formatSize(memoryBytes)} for disks`)
  const share = Math.floor((100 * memoryBytes) / wanted)
  return found(
    'warn',
    'memory',
    `${formatSize(memoryBytes)} of the ${formatSize(wanted)} that full disks want: beyond about ` +
      `${share} % of them writes may be refused as if they were full`,
    `set data.memory to ${formatSize(wanted)}, or have more memory in the machine`,
  )
}

function files({ files }: ClusterFacts): Check {
  if (files.size === 0) return ok('disks', 'none is a file')
  const devices = new Set(files.values()).size
  const together =
    devices < files.size ? ', and several share a file system: they fail together' : ''
  const ids = [...files.keys()].sort((a, b) => a - b).join(', ')
  const message = `disk ${ids}: a file, which is slower than a device and fit for trying out${together}`
  return found('note', 'disks', message, 'use whole disks or partitions for data that counts')
}

/** Nobody else reaches 127.0.0.1 here. */
function addresses({ state, self }: ClusterFacts): Check {
  const of = (id: number) => state.peers.find(peer => peer.id === id)?.addresses ?? []
  const isLocal = (one: { address: string }) => /^(127\.|\[::1\]|localhost:)/.test(one.address)
  const others = state.peers.filter(peer => peer.id !== self)
  const areFar = others.some(peer => peer.addresses.some(one => !isLocal(one)))
  if (areFar && of(self).length > 0 && of(self).every(isLocal)) {
    const message = 'other peers are told loopback addresses of this one, and cannot reach it'
    return found('error', 'addresses', message, 'set net.listen or net.advertise')
  }
  return ok(
    'addresses',
    of(self)
      .map(one => `${one.role} ${one.address}`)
      .join(', '),
  )
}
