// What changes of the topology make of the pretended cluster state.
import type { Command, Outcome } from '../../src/data/command.ts'
import type { ClusterState } from '../../src/data/state.ts'

/** Undefined: the command is about something else. */
export function applyTopology(state: ClusterState, command: Command): Outcome | undefined {
  switch (command.type) {
    case 'set_disk': {
      const { state: standing, weight, reserve_bytes } = command
      const disk = state.disks.find(one => one.id === command.disk)!
      Object.assign(disk, present({ state: standing, weight, reserve_bytes }))
      break
    }
    case 'set_disk_labels':
      state.disks.find(one => one.id === command.disk)!.labels = command.labels
      break
    case 'update_peer': {
      const { state: standing, domains } = command
      const peer = state.peers.find(one => one.id === command.peer)!
      Object.assign(peer, present({ state: standing, domains }))
      break
    }
    case 'set_policy': {
      const { name, min_in_sync, reads } = command
      const policy = state.policies.find(one => one.id === command.policy)!
      Object.assign(policy, present({ name, min_in_sync, reads }))
      break
    }
    case 'set_policy_placement': {
      const { redundancy, min_in_sync, failure_domain, rules } = command
      const policy = state.policies.find(one => one.id === command.policy)!
      Object.assign(policy, present({ redundancy, min_in_sync, failure_domain, ...rules }))
      if (command.class !== null) policy.class = command.class === 'any' ? null : command.class.only
      break
    }
    case 'set_movement': {
      const { paused, per_disk, per_peer, total } = command
      Object.assign(state.movement, present({ paused, per_disk, per_peer, total }))
      break
    }
    case 'set_move_rates': {
      const { disk_rate, peer_rate } = command
      Object.assign(state.movement, present({ disk_rate, peer_rate }))
      break
    }
    case 'grow_policy':
      state.policies.find(one => one.id === command.policy)!.pg_count = command.pg_count
      break
    case 'set_policy_growth':
      state.policies.find(one => one.id === command.policy)!.follows_disks = command.follows_disks
      return { applied: { type: 'done' } }
    default:
      return undefined
  }
  if (command.type !== 'set_movement' && command.type !== 'set_move_rates') state.topology_epoch++
  return { applied: { type: 'done' } }
}

/** Null: as it is. */
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))
}
