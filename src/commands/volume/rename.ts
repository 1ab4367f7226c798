import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class VolumeRename extends ShoalCommand {
  static override summary = 'Give a volume another name'
  static override examples = ['<%= config.bin %> volume rename db0 db-old']
  static override args = {
    name: Args.string({ required: true, description: 'its name' }),
    to: Args.string({ required: true, description: 'its new name' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeRename)
    const volume = await this.client(flags).call('volume.rename', {
      params: { name: args.name },
      body: { name: args.to },
    })
    this.show(flags.json, volume, () => `${args.name} is now ${volume.name}`)
  }
}
