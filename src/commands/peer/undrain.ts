import { Args } from '@oclif/core'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'

export default class PeerUndrain extends ChangeCommand {
  static override summary = 'Take the drain of a peer back'
  static override examples = ['<%= config.bin %> peer undrain p3']
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }
  static override flags = changeFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerUndrain)
    const change = { type: 'peer_state' as const, peer: args.peer, state: 'in' as const }
    await this.change(change, flags, `peer ${args.peer} is in`)
  }
}
