import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { volumeText } from '../../cli/show.ts'

export default class VolumeShow extends ShoalCommand {
  static override summary = 'Show a volume'
  static override examples = ['<%= config.bin %> volume show db0']
  static override args = { name: Args.string({ required: true, description: 'its name' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeShow)
    const volume = await this.client(flags).call('volume.show', { params: { name: args.name } })
    this.show(flags.json, volume, () => volumeText(volume))
  }
}
