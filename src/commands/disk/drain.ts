import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { numberArg } from '../../cli/number-arg.ts'

export default class DiskDrain extends ChangeCommand {
  static override summary =
    'Let all data leave a disk; it goes on serving until its copies are made'
  static override description =
    'Every group gets another disk in its place; the member leaves only after that one is in sync. ' +
    'Where no other disk may hold a group, it stays. An empty disk can be removed.'
  static override examples = [
    '<%= config.bin %> disk drain 3 --dry-run',
    '<%= config.bin %> disk drain 3',
  ]
  static override args = { id: numberArg('disk', 'shoal disk list') }
  static override flags = changeFlags

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskDrain)
    const change = { type: 'disk_state' as const, disk: args.id, state: 'draining' as const }
    await this.change(change, flags, `disk ${args.id} drains`)
  }
}
