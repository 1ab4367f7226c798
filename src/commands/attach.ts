import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../cli/base-command.ts'

export default class Attach extends ShoalCommand {
  static override summary = 'Attach a volume: it becomes a block device of the peer'
  static override description =
    'The device is /dev/shoal/NAME. It comes back by itself when the daemon or the peer restarts, ' +
    'until it is detached.'
  static override examples = ['<%= config.bin %> attach db0']
  static override args = { volume: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    via: Flags.string({
      description: 'by what the kernel shows it',
      options: ['auto', 'ublk', 'nbd'],
      default: 'auto',
    }),
    takeover: Flags.boolean({
      description: 'fence the attachment of the peer that has the volume: its clients get errors',
      default: false,
    }),
    'read-only': Flags.boolean({ description: 'refuse writes', default: false }),
    queues: Flags.integer({
      description: 'queues of the device; 0: as fits',
      default: 0,
      min: 0,
      max: 64,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Attach)
    const device = await this.client(flags).call('device.attach', {
      body: {
        volume: args.volume,
        via: flags.via as 'auto' | 'ublk' | 'nbd',
        read_only: flags['read-only'],
        queues: flags.queues,
        takeover: flags.takeover,
      },
    })
    this.show(flags.json, device, () => device.device)
  }
}
