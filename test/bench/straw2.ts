// The usual way to place without a directory, to compare with: straw2 draws down the tree. Every
// child draws ln(hash) / weight, the longest straw wins; a domain that is taken draws again. This
// is the one place with a logarithm: it is what is measured, not what Shoal does.

import type { TopologyDisk } from '../../src/placement/index.ts'
import { mix32 } from '../../src/placement/mix.ts'

interface Node {
  readonly id: number
  readonly weight: number
  readonly disk: number
  readonly children: readonly Node[]
}

const TRIES_MAX = 50

/** Disk numbers per PG, one per rack. */
export function straw2Table(
  disks: readonly TopologyDisk[],
  pgs: number,
  copies: number,
): Uint32Array {
  const root = treeOf(disks)
  const table = new Uint32Array(pgs * copies).fill(0xffffffff)
  for (let pg = 0; pg < pgs; pg++) placeRow(root, pg, copies, table)
  return table
}

function placeRow(root: Node, pg: number, copies: number, table: Uint32Array): void {
  const racks = new Set<number>()
  for (let copy = 0; copy < copies; copy++) {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const seed = mix32(Math.imul(pg + 1, 0x9e3779b1) ^ (copy * 1000 + attempt))
      const rack = draw(root.children, seed)
      if (racks.has(rack.id)) continue
      racks.add(rack.id)
      const peer = draw(rack.children, seed)
      table[pg * copies + copy] = draw(peer.children, seed).disk
      break
    }
  }
}

function draw(nodes: readonly Node[], seed: number): Node {
  let best = nodes[0]
  let longest = Number.NEGATIVE_INFINITY
  for (const node of nodes) {
    const straw = Math.log((mix32(seed ^ Math.imul(node.id, 0x85ebca6b)) + 1) / 4294967297)
    if (straw / node.weight <= longest) continue
    longest = straw / node.weight
    best = node
  }
  return best
}

function treeOf(disks: readonly TopologyDisk[]): Node {
  const racks = new Map<string, Map<string, Node[]>>()
  for (const one of disks) {
    const rack = `${one.rack}`
    const peers = racks.get(rack) ?? new Map<string, Node[]>()
    racks.set(rack, peers)
    const nodes = peers.get(`${one.peer}`) ?? []
    peers.set(`${one.peer}`, nodes)
    const disk = Number(one.id)
    nodes.push({ id: mix32(disk), weight: one.weight ?? 1, disk, children: [] })
  }
  const rackNodes = [...racks].map(([rack, peers]) =>
    group(
      rack,
      [...peers].map(([peer, nodes]) => group(peer, nodes)),
    ),
  )
  return group('root', rackNodes)
}

/** Ids come from names, so that a change elsewhere in the tree changes none of them. */
function group(name: string, children: readonly Node[]): Node {
  let id = 0
  for (let i = 0; i < name.length; i++) id = mix32(id ^ name.charCodeAt(i))
  const weight = children.reduce((sum, child) => sum + child.weight, 0)
  return { id, weight, disk: -1, children }
}
