import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class ExportCreate extends ShoalCommand {
  static override summary = 'Export a volume to NBD clients, on a unix socket of the peer'
  static override description =
    'Prints the address for clients such as nbdinfo, nbdcopy and QEMU. The same again when the peer ' +
    'exports the volume already. A volume that another peer has is refused while that peer can serve ' +
    'it; when its lease is over, it is taken over.'
  static override examples = ['<%= config.bin %> export create db0 --nbd --json']
  static override args = { volume: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    takeover: Flags.boolean({
      description: 'fence the attachment of the peer that has the volume: its clients get errors',
      default: false,
    }),
    nbd: Flags.boolean({ description: 'through NBD (the default)', default: true }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ExportCreate)
    const made = await this.client(flags).call('export.create', {
      body: { volume: args.volume, kind: 'nbd', takeover: flags.takeover },
    })
    this.show(flags.json, made, () => made.uri)
  }
}
