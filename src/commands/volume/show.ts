import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { damageText } from '../../cli/scrub-text.ts'
import { layoutText, volumeText } from '../../cli/show.ts'

export default class VolumeShow extends ShoalCommand {
  static override summary = 'Show a volume'
  static override examples = [
    '<%= config.bin %> volume show db0',
    '<%= config.bin %> volume show db0 --layout',
    '<%= config.bin %> volume show db0 --damage',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }

  static override flags = {
    layout: Flags.boolean({ description: 'show on which disks its data lies' }),
    damage: Flags.boolean({ description: 'name what has no good copy left' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeShow)
    const params = { name: args.name }
    if (flags.layout) {
      const layout = await this.client(flags).call('volume.layout', { params })
      this.show(flags.json, layout, () => layoutText(layout))
      return
    }
    if (flags.damage) {
      const damage = await this.client(flags).call('volume.damage', { params })
      const scrub = await this.client(flags).call('volume.scrubbed', { params, query: {} })
      this.show(flags.json, damage, () => damageText(damage, scrub))
      return
    }
    const volume = await this.client(flags).call('volume.show', { params })
    this.show(flags.json, volume, () => volumeText(volume))
  }
}
