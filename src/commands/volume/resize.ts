import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { volumeText } from '../../cli/show.ts'
import { parseSize } from '../../common/units.ts'

export default class VolumeResize extends ShoalCommand {
  static override summary = 'Make a volume larger, also while it is attached'
  static override examples = [
    '<%= config.bin %> volume resize db0 200GiB',
    '<%= config.bin %> volume resize db0 +10GiB',
  ]
  static override args = {
    name: Args.string({ required: true, description: 'its name' }),
    size: Args.string({ required: true, description: 'new size, or what to add: +10GiB' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeResize)
    const api = this.client(flags)
    const params = { name: args.name }
    const isAdded = args.size.startsWith('+')
    const bytes = parseSize(isAdded ? args.size.slice(1) : args.size)
    const size = isAdded ? (await api.call('volume.show', { params })).size + bytes : bytes
    const volume = await api.call('volume.resize', { params, body: { size } })
    this.show(flags.json, volume, () => volumeText(volume))
  }
}
