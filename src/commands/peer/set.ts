import { Args, Flags } from '@oclif/core'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { parseNames, parsePairs } from '../../cli/pairs.ts'

export default class PeerSet extends ChangeCommand {
  static override summary = 'Say in which rack and zone peers are'
  static override description =
    'Policies that keep copies apart by rack or zone move what has to move. A peer without a rack or ' +
    'zone stands for itself. The peers of one rack go to another zone together. The settings peer.rack and peer.zone count only when a peer joins.'
  static override examples = [
    '<%= config.bin %> peer set p3 --domain rack=r2 --dry-run',
    '<%= config.bin %> peer set p3 --domain rack=r2,zone=west',
    '<%= config.bin %> peer set p3 --domain rack=,zone=',
    '<%= config.bin %> peer set p1,p2,p3 --domain zone=west',
  ]
  static override args = {
    peers: Args.string({ required: true, description: 'names of peers, separated by commas' }),
  }
  static override flags = {
    ...changeFlags,
    domain: Flags.string({ description: 'rack=NAME,zone=NAME; one will do', required: true }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerSet)
    const domains = parsePairs(flags.domain, ['rack', 'zone'])
    const change = {
      type: 'peer_domains' as const,
      peers: parseNames(args.peers),
      rack: domains.get('rack') ?? null,
      zone: domains.get('zone') ?? null,
    }
    await this.change(change, flags, `${args.peers} set`)
  }
}
