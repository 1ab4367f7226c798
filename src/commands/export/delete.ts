import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { numberArg } from '../../cli/number-arg.ts'

export default class ExportDelete extends ShoalCommand {
  static override summary = 'End an export of the peer'
  static override examples = ['<%= config.bin %> export delete 1']
  static override args = {
    id: numberArg('export', 'shoal export list'),
  }
  static override flags = {
    force: Flags.boolean({ description: 'also while clients are connected' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ExportDelete)
    const query = flags.force ? { force: true } : {}
    await this.client(flags).call('export.delete', { params: { id: args.id }, query })
    this.show(flags.json, { deleted: args.id }, () => `ended export ${args.id}`)
  }
}
