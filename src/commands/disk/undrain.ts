import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { numberArg } from '../../cli/number-arg.ts'

export default class DiskUndrain extends ChangeCommand {
  static override summary = 'Take a drain back: what has not left yet stays, and new data comes'
  static override examples = ['<%= config.bin %> disk undrain 3']
  static override args = { id: numberArg('disk', 'shoal disk list') }
  static override flags = changeFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskUndrain)
    const change = { type: 'disk_state' as const, disk: args.id, state: 'in' as const }
    await this.change(change, flags, `disk ${args.id} is in`)
  }
}
