// Shapes of broken networks, for a head that is used at `head`.
import type { NetCluster } from './net-cluster.ts'

export interface Partition {
  name: string
  cut: (net: NetCluster, head: string, others: string[]) => void
}

export const partitions: Partition[] = [
  {
    name: "the head's peer is alone",
    cut: (net, head, others) => net.split([head], others),
  },
  {
    name: 'a member is alone',
    cut: (net, head, [member, ...others]) => net.split([member!], [head, ...others]),
  },
  {
    name: 'half and half',
    cut: (net, head, [near, ...far]) => net.split([head, near!], far),
  },
  {
    name: 'head does not reach a member',
    cut: (net, head, [member]) => net.cut(head, member!),
  },
  {
    name: 'head does not hear a member',
    cut: (net, head, [member]) => net.cut(member!, head),
  },
  {
    name: 'head from one member, both ways',
    cut: (net, head, [member]) => net.cutBoth(head, member!),
  },
  {
    name: 'head hears nobody',
    cut: (net, head, others) => {
      for (const other of others) net.cut(other, head)
    },
  },
  {
    name: 'nobody hears the head',
    cut: (net, head, others) => {
      for (const other of others) net.cut(head, other)
    },
  },
  {
    name: 'head from all but one',
    cut: (net, head, [, ...others]) => net.split([head], others),
  },
  {
    name: 'one peer is the bridge between the halves',
    cut: (net, head, [, ...far]) => {
      // `head` and the bridge see each other, and the bridge sees all.
      for (const other of far) net.cutBoth(head, other)
      if (far.length > 2) net.split([far[0]!], far.slice(1))
    },
  },
]
