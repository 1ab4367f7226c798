import { Args, Flags } from '@oclif/core'
import { confirmFlags, ShoalCommand } from '../../cli/base-command.ts'

export default class PeerRemove extends ShoalCommand {
  static override summary = 'Take a peer and its disks out of the cluster for good'
  static override description =
    'Its data is made anew on other peers; once nothing rests on it, it is forgotten and refused.'
  static override examples = ['<%= config.bin %> peer remove p3 --yes --confirm p3']
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }
  static override flags = {
    ...confirmFlags,
    'allow-degraded': Flags.boolean({ description: 'accept fewer copies than the policies want' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerRemove)
    const api = this.client(flags)
    const params = { name: args.peer }
    await api.call('peer.show', { params })
    await this.confirmDestroying(`take peer ${args.peer} out for good`, args.peer, flags)
    const query = { allow_degraded: flags['allow-degraded'] }
    const peer = await api.call('peer.remove', { params, query })
    this.show(
      flags.json,
      peer,
      () => `${peer.name} is out; it is forgotten once nothing rests on it`,
    )
  }
}
