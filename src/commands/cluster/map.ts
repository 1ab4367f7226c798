import { ShoalCommand } from '../../cli/base-command.ts'
import { renderTable } from '../../common/table.ts'

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
  static override examples = ['<%= config.bin %> cluster map --json']

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterMap)
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
