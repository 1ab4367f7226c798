import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class ClusterJoin extends ShoalCommand {
  static override summary = 'Join a cluster with a token'
  static override examples = ['<%= config.bin %> cluster join shoal1-...']
  static override args = {
    token: Args.string({ required: true, description: 'line that `shoal cluster token` printed' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterJoin)
    const joined = await this.client(flags).call('cluster.join', { body: { token: args.token } })
    this.show(flags.json, joined, () => `${joined.peer} joined cluster ${joined.cluster_id}`)
    this.say('next: add a disk: shoal disk add DEV')
  }
}
