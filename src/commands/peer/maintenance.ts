import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { parseDuration } from '../../common/duration.ts'

export default class PeerMaintenance extends ShoalCommand {
  static override summary = 'Announce that a peer will be away for a while'
  static override description =
    'Until then nothing is made anew because of it, and it is not replaced as a voter. Then stop ' +
    'the daemon (SIGTERM): it leaves in order, and nobody waits for it.'
  static override examples = [
    '<%= config.bin %> peer maintenance p2 on --for 30m',
    '<%= config.bin %> peer maintenance p2 off',
  ]
  static override args = {
    peer: Args.string({ required: true, description: 'name of the peer' }),
    switch: Args.string({ required: true, description: 'on or off', options: ['on', 'off'] }),
  }
  static override flags = {
    for: Flags.string({ description: 'how long', default: '30m', helpValue: 'DURATION' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerMaintenance)
    const for_ms = args.switch === 'on' ? parseDuration(flags.for) : 0
    const params = { name: args.peer }
    const peer = await this.client(flags).call('peer.maintenance', { params, body: { for_ms } })
    this.show(flags.json, peer, () =>
      peer.maintenance_until === null
        ? `${peer.name} is not in maintenance`
        : `${peer.name} is in maintenance until ${peer.maintenance_until}`,
    )
  }
}
