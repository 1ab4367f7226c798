import { ShoalCommand } from '../../cli/base-command.ts'
import { renderFields } from '../../cli/output.ts'
import { formatDuration } from '../../common/duration.ts'

export default class ClusterShow extends ShoalCommand {
  static override summary = 'Show the cluster: who votes, who leads, what may fail'
  static override examples = ['<%= config.bin %> cluster show']

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterShow)
    const cluster = await this.client(flags).call('cluster.show')
    this.show(flags.json, cluster, () =>
      renderFields([
        ['name', cluster.name],
        ['id', cluster.id],
        ['leader', cluster.leader ?? 'none'],
        ['voters', cluster.voters.join(', ')],
        ['voters away', cluster.voters_down.join(', ') || 'none'],
        ['peers', String(cluster.peers)],
        ['disks', String(cluster.disks)],
        ['map epoch', String(cluster.map_epoch)],
        ['incarnation', String(cluster.incarnation)],
        ['level', String(cluster.level)],
        ['rebuild after', formatDuration(cluster.rebuild_after_ms)],
        ['replace voter after', formatDuration(cluster.replace_voter_after_ms)],
        ['safety', cluster.safety],
      ]),
    )
  }
}
