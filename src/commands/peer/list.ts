import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { peerColumns } from '../../cli/show.ts'

export default class PeerList extends ShoalCommand {
  static override summary = 'List peers'
  static override examples = ['<%= config.bin %> peer list', '<%= config.bin %> peer list -o wide']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(PeerList)
    const peers = await this.client(flags).call('peer.list')
    const options = this.listOptions(flags)
    this.show(false, peers, () => renderList(peers, peerColumns, peer => peer.name, options))
  }
}
