import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { exitCode } from '../../common/exit-code.ts'

export default class PeerOkToStop extends ShoalCommand {
  static override summary = 'Say whether a peer may stop for a while, and what would suffer'
  static override description =
    'Exit status 0: nothing and nobody would notice; 5: see what is said.'
  static override examples = ['<%= config.bin %> peer ok-to-stop p2']
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerOkToStop)
    const check = await this.client(flags).call('peer.ok_to_stop', { params: { name: args.peer } })
    this.show(flags.json, check, () =>
      check.ok
        ? `${args.peer} may stop`
        : [`${args.peer} should not stop:`, ...check.reasons].join('\n  '),
    )
    if (!check.ok) process.exitCode = exitCode.conflict
  }
}
