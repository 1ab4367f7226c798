// The tree of zones, racks, peers and disks.
import { type Column, renderTable } from '../common/table.ts'
import type { TreeNode } from '../placement/index.ts'

interface Line {
  depth: number
  node: TreeNode
}

const columns: Column<Line>[] = [
  { header: 'weight', value: row => String(Math.round(row.node.weight)), align: 'right' },
  { header: 'fill', value: row => percent(row.node.fill), align: 'right' },
  { header: 'members', value: row => String(row.node.members), align: 'right' },
  { header: 'share', value: row => percent(row.node.share), align: 'right' },
  { header: 'state', value: row => row.node.state ?? '' },
  { header: 'class', value: row => row.node.class ?? '' },
]

/** The name comes last: it is indented, and no column may follow what is of no fixed width. */
export function treeText(nodes: readonly TreeNode[]): string {
  const lines = nodes.flatMap(node => linesOf(node, 0))
  const name: Column<Line> = {
    header: 'name',
    value: ({ node, depth }) => `${'. '.repeat(depth)}${node.level} ${node.name}`,
  }
  return renderTable(lines, [...columns, name])
}

function linesOf(node: TreeNode, depth: number): Line[] {
  return [{ depth, node }, ...node.children.flatMap(child => linesOf(child, depth + 1))]
}

function percent(part: number | null): string {
  return part === null ? '-' : `${(100 * part).toFixed(1)}%`
}
