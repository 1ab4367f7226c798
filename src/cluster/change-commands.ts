// What is proposed to make a change; the same words as `afterChange`.
import { ShoalError } from '../common/errors.ts'
import { type Command, setDisk, updatePeer } from '../data/command.ts'
import type { ClusterState, DiskRecord, PeerRecord, PolicyRecord, Standing } from '../data/state.ts'
import { findDisk, type TopologyChange } from './change.ts'
import { findPeer } from './peers.ts'

/** `after` is what `afterChange` made of `state`. */
export function commandsFor(
  state: ClusterState,
  change: TopologyChange,
  after: ClusterState,
): Command[] {
  switch (change.type) {
    case 'none':
    case 'disk_add':
      return []
    case 'disk_state':
      return diskState(findDisk(state, change.disk), change.state)
    case 'disk_set':
      return diskSettings(findDisk(state, change.disk), findDisk(after, change.disk))
    case 'peer_state':
      return peerState(findPeer(state, change.peer), change.state)
    case 'peer_domains':
      return change.peers.map((name): Command => {
        const { id, domains } = findPeer(after, name)
        return updatePeer(id, { domains })
      })
    case 'policy_set':
      return policyCommands(state, after)
  }
}

function diskState(disk: DiskRecord, wanted: Standing): Command[] {
  if (disk.state === wanted) return []
  refuseGone(`disk ${disk.id}`, disk.state, wanted)
  return [setDisk(disk.id, { state: wanted })]
}

function peerState(peer: PeerRecord, wanted: Standing): Command[] {
  if (peer.state === wanted) return []
  refuseGone(`peer ${peer.name}`, peer.state, wanted)
  return [updatePeer(peer.id, { state: wanted })]
}

/** What is being removed is not called back, and who is down is not up because somebody says so. */
function refuseGone(what: string, state: Standing, wanted: Standing): void {
  if (state === 'out') {
    throw new ShoalError('conflict', `${what} is being taken out`, {
      why: 'its data is being made anew elsewhere',
      next: 'wait until it is forgotten, then add it again',
    })
  }
  if (state !== 'down' || wanted !== 'in') return
  throw new ShoalError('conflict', `${what} is down, it does not drain`, {
    next: 'start it; it takes its place again by itself',
  })
}

function diskSettings(was: DiskRecord, will: DiskRecord): Command[] {
  const commands: Command[] = []
  const { id, labels } = will
  const weight = will.weight === was.weight ? null : will.weight
  const reserve_bytes = will.reserve_bytes === was.reserve_bytes ? null : will.reserve_bytes
  if (weight !== null || reserve_bytes !== null)
    commands.push(setDisk(id, { weight, reserve_bytes }))
  if (labels.join(' ') !== was.labels.join(' '))
    commands.push({ type: 'set_disk_labels', disk: id, labels: [...new Set(labels)].sort() })
  return commands
}

function policyCommands(state: ClusterState, after: ClusterState): Command[] {
  const will = after.policies.find((policy, at) => policy !== state.policies[at])!
  const was = state.policies.find(policy => policy.id === will.id)!
  const commands: Command[] = []
  // FIRST what may be refused for its name; the rest is one command.
  if (will.name !== was.name || will.reads !== was.reads) {
    const { id: policy, name, reads } = will
    commands.push({ type: 'set_policy', policy, name, min_in_sync: null, reads })
  }
  if (will.follows_disks !== was.follows_disks) {
    const { id: policy, follows_disks } = will
    commands.push({ type: 'set_policy_growth', policy, follows_disks })
  }
  if (will.pg_count !== was.pg_count) {
    const { id: policy, pg_count } = will
    commands.push({ type: 'grow_policy', policy, expected: was.pg_count, pg_count })
  }
  if (placementOf(will) !== placementOf(was)) commands.push(placementCommand(will))
  return commands
}

function placementOf(policy: PolicyRecord): string {
  const { redundancy, min_in_sync, failure_domain, max_per, labels, localize } = policy
  const rules = [redundancy, min_in_sync, failure_domain, policy.class, max_per, labels, localize]
  return JSON.stringify(rules)
}

function placementCommand(policy: PolicyRecord): Command {
  const { redundancy, max_per, labels, localize } = policy
  if (!('replicas' in redundancy))
    throw new ShoalError('unsupported', 'policies with parity cannot be changed yet')
  return {
    type: 'set_policy_placement',
    policy: policy.id,
    redundancy,
    min_in_sync: policy.min_in_sync,
    failure_domain: policy.failure_domain,
    class: policy.class === null ? 'any' : { only: policy.class },
    rules: { max_per, labels: [...new Set(labels)].sort(), localize },
  }
}
