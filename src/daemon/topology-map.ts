// The topology map as JSON: who is there, what is where, under one epoch.
import { type ClusterState, peerName, width } from '../data/state.ts'

export function topologyMap(state: ClusterState): object {
  return {
    epoch: state.map_epoch,
    cluster: { id: state.cluster_id, name: state.name, incarnation: state.incarnation },
    peers: state.peers.map(peer => ({
      id: peer.id,
      name: peer.name,
      state: peer.state,
      rack: peer.domains.rack,
      zone: peer.domains.zone,
      addresses: peer.addresses,
    })),
    disks: state.disks.map(disk => ({
      id: disk.id,
      peer: peerName(state, disk.peer),
      size: disk.size_bytes,
      weight: disk.weight,
      class: disk.class,
      state: disk.state,
    })),
    policies: state.policies.map(policy => ({
      id: policy.id,
      name: policy.name,
      copies: width(policy),
      min_in_sync: policy.min_in_sync,
      failure_domain: policy.failure_domain,
      class: policy.class,
      pg_count: policy.pg_count,
      algorithm_version: policy.algorithm_version,
      pgs: policy.pgs.map(({ index, epoch, members, in_sync, joining }) => ({
        index,
        epoch,
        members,
        in_sync,
        joining: joining?.disk ?? null,
      })),
    })),
  }
}
