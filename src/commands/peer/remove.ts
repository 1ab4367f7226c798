import { Args, Flags } from '@oclif/core'
import { confirmFlags } from '../../cli/base-command.ts'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { lossText } from '../../cli/show.ts'

export default class PeerRemove extends ChangeCommand {
  static override summary = 'Take a peer and its disks out of the cluster for good'
  static override description =
    'Refused while there is data on its disks: drain it first. With --force its copies are made ' +
    'anew on other peers; once nothing rests on it, it is forgotten and refused. For the machine to ' +
    'come back: end shoal there, remove its directory, and join with a new token.'
  static override examples = [
    '<%= config.bin %> peer remove p3 --dry-run',
    '<%= config.bin %> peer remove p3 --yes --confirm p3',
  ]
  static override args = { peer: Args.string({ required: true, description: 'name of the peer' }) }
  static override flags = {
    ...changeFlags,
    ...confirmFlags,
    force: Flags.boolean({ description: 'although there is data on its disks' }),
    'allow-degraded': Flags.boolean({ description: 'accept fewer copies than the policies want' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PeerRemove)
    const api = this.client(flags)
    const params = { name: args.peer }
    const found = await api.call('peer.show', { params })
    if (flags['dry-run']) {
      this.say(lossText(found))
      return this.preview({ type: 'peer_state', peer: args.peer, state: 'out' }, flags)
    }
    const what = `take peer ${args.peer} out for good; ${lossText(found)}`
    await this.confirmDestroying(what, args.peer, flags)
    const query = { allow_degraded: flags['allow-degraded'], force: flags.force }
    const peer = await api.call('peer.remove', { params, query })
    this.show(
      flags.json,
      peer,
      () => `${peer.name} is out; it is forgotten once nothing rests on it`,
    )
  }
}
