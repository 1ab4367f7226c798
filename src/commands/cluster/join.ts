import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class ClusterJoin extends ShoalCommand {
  static override summary = 'Join a cluster with a token'
  static override description =
    'Voters choose themselves: one up to two peers, three from three on, five from five on. A ' +
    'witness votes and stores nothing; it makes two peers safe.'
  static override examples = [
    '<%= config.bin %> cluster join shoal1-...',
    '<%= config.bin %> cluster join --witness shoal1-...',
  ]
  static override flags = {
    witness: Flags.boolean({ description: 'vote, and store nothing' }),
  }
  static override args = {
    token: Args.string({ required: true, description: 'line that `shoal cluster token` printed' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterJoin)
    const { witness } = flags
    const api = this.client(flags)
    const joined = await api.call('cluster.join', { body: { token: args.token, witness } })
    this.show(flags.json, joined, () => `${joined.peer} joined cluster ${joined.cluster_id}`)
    this.say((await api.call('cluster.show')).safety)
    if (!witness) this.say('next: add a disk: shoal disk add DEV')
  }
}
