import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { treeText } from '../../cli/tree-text.ts'
import { renderTable } from '../../common/table.ts'
import type { TreeNode } from '../../placement/index.ts'

interface MapView {
  epoch: number
  policies: { name: string; pgs: MapGroup[] }[]
}

interface MapGroup {
  index: number
  epoch: number
  members: number[]
  in_sync: number[]
  joining: number | null
}

export default class ClusterMap extends ShoalCommand {
  static override summary = 'Show the topology map: which disks hold which placement groups'
  static override examples = [
    '<%= config.bin %> cluster map --tree',
    '<%= config.bin %> cluster map --json',
  ]
  static override flags = {
    tree: Flags.boolean({
      description: 'show zones, racks, peers and disks with weight, fill and share',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterMap)
    if (flags.tree) {
      const tree = (await this.client(flags).call('cluster.tree')) as unknown as TreeNode[]
      this.show(flags.json, tree, () => treeText(tree))
      return
    }
    const map = (await this.client(flags).call('cluster.map')) as MapView
    this.show(flags.json, map, () => {
      const rows = map.policies.flatMap(policy => policy.pgs.map(pg => ({ policy, pg })))
      return renderTable(rows, [
        { header: 'policy', value: row => row.policy.name },
        { header: 'group', value: row => String(row.pg.index), align: 'right' },
        { header: 'epoch', value: row => String(row.pg.epoch), align: 'right' },
        { header: 'disks', value: row => row.pg.members.join(',') },
        { header: 'in sync', value: row => row.pg.in_sync.join(',') },
        { header: 'joining', value: row => String(row.pg.joining ?? '-') },
      ])
    })
  }
}
