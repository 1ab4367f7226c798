import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { peerText } from '../../cli/show.ts'

export default class PeerShow extends ShoalCommand {
  static override summary = 'Show a peer'
  static override examples = ['<%= config.bin %> peer show p1']
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerShow)
    const peer = await this.client(flags).call('peer.show', { params: { name: args.peer } })
    this.show(flags.json, peer, () => peerText(peer))
  }
}
