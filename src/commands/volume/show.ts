import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { layoutText, volumeText } from '../../cli/show.ts'

export default class VolumeShow extends ShoalCommand {
  static override summary = 'Show a volume'
  static override examples = [
    '<%= config.bin %> volume show db0',
    '<%= config.bin %> volume show db0 --layout',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }

  static override flags = {
    layout: Flags.boolean({ description: 'show on which disks its data lies' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeShow)
    if (flags.layout) {
      const layout = await this.client(flags).call('volume.layout', { params: { name: args.name } })
      this.show(flags.json, layout, () => layoutText(layout))
      return
    }
    const volume = await this.client(flags).call('volume.show', { params: { name: args.name } })
    this.show(flags.json, volume, () => volumeText(volume))
  }
}
