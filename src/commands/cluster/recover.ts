import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class ClusterRecover extends ShoalCommand {
  static override summary = 'Go on from this peer alone: the voters are lost for good'
  static override description =
    'Only when more than half of the voters will never come back. The cluster goes on from what this ' +
    'peer knows, as a new incarnation, with this peer as its only voter; others that are left follow ' +
    'it by themselves. RISK: what the lost voters decided last may be forgotten, for example that a ' +
    'copy was out of date, or that a volume was created. If lost voters come back without meeting ' +
    'this peer, two clusters serve the same volumes. Run it on one survivor, the one that knows ' +
    'most: compare the map epochs that shoal cluster show gives.'
  static override examples = ['<%= config.bin %> cluster recover --confirm prod']
  static override flags = {
    confirm: Flags.string({
      description: 'name of the cluster, instead of typing it',
      helpValue: 'NAME',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterRecover)
    const api = this.client(flags)
    const { name, voters, map_epoch } = await api.call('cluster.show')
    this.say(`voters: ${voters.join(', ')}; this peer knows map epoch ${map_epoch}`)
    const what = 'give up the voters for good, and what they decided last'
    await this.confirmDestroying(what, name, { confirm: flags.confirm })
    const recovered = await api.call('cluster.recover', { body: { name } })
    this.show(
      flags.json,
      recovered,
      () => `the cluster goes on from this peer as incarnation ${recovered.incarnation}`,
    )
    this.say('next: remove the peers that are lost: shoal peer list, shoal peer remove PEER')
  }
}
