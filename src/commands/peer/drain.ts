import { Args } from '@oclif/core'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'

export default class PeerDrain extends ChangeCommand {
  static override summary = 'Let all data leave the disks of a peer'
  static override description =
    'As "disk drain" for all its disks, and those that are added later. Volumes that are attached ' +
    'there stay attached: detach them before the peer is removed.'
  static override examples = [
    '<%= config.bin %> peer drain p3 --dry-run',
    '<%= config.bin %> peer drain p3',
  ]
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }
  static override flags = changeFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerDrain)
    const change = { type: 'peer_state' as const, peer: args.peer, state: 'draining' as const }
    await this.change(change, flags, `peer ${args.peer} drains`)
  }
}
