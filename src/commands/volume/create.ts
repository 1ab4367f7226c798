import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { volumeText } from '../../cli/show.ts'
import { parseSize } from '../../common/units.ts'

export default class VolumeCreate extends ShoalCommand {
  static override summary = 'Create a thin volume'
  static override description =
    'It takes space only for what is written; unwritten blocks read as zeros.'
  static override examples = [
    '<%= config.bin %> volume create db0 --size 100GiB',
    '<%= config.bin %> volume create logs --size 1TiB --policy fast --block-size 4096',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    size: Flags.string({ required: true, description: 'for example 10GiB' }),
    policy: Flags.string({
      description: 'how it is protected (default: the policy named default)',
    }),
    'block-size': Flags.string({
      description: 'logical block size of its devices',
      options: ['512', '4096'],
      default: '512',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeCreate)
    const volume = await this.client(flags).call('volume.create', {
      body: {
        name: args.name,
        size: parseSize(flags.size),
        policy: flags.policy ?? null,
        block_size: flags['block-size'] === '4096' ? 4096 : 512,
      },
    })
    this.show(flags.json, volume, () => volumeText(volume))
  }
}
