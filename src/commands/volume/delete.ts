import { Args } from '@oclif/core'
import { confirmFlags, ShoalCommand } from '../../cli/base-command.ts'

export default class VolumeDelete extends ShoalCommand {
  static override summary = 'Delete a volume and its data'
  static override examples = ['<%= config.bin %> volume delete db0 --yes --confirm db0']
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = confirmFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeDelete)
    const api = this.client(flags)
    const params = { name: args.name }
    await api.call('volume.show', { params })
    await this.confirmDestroying(`destroy volume ${args.name} and its data`, args.name, flags)
    await api.call('volume.delete', { params })
    this.show(flags.json, { deleted: args.name }, () => `deleted volume ${args.name}`)
  }
}
