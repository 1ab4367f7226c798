import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class ClusterInit extends ShoalCommand {
  static override summary = 'Found a cluster with this peer as its first'
  static override description =
    'The peer decides alone until there are three: then three vote, and from five on five.'
  static override examples = ['<%= config.bin %> cluster init --name prod']
  static override flags = {
    name: Flags.string({ description: 'name of the cluster', default: 'shoal' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterInit)
    const made = await this.client(flags).call('cluster.init', { body: { name: flags.name } })
    this.show(flags.json, made, () => `founded cluster ${flags.name} with ${made.peer}`)
    this.say((await this.client(flags).call('cluster.show')).safety)
    this.say('next: add a disk (shoal disk add DEV), and admit other peers (shoal cluster token)')
  }
}
