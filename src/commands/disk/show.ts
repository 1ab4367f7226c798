import { ShoalCommand } from '../../cli/base-command.ts'
import { numberArg } from '../../cli/number-arg.ts'
import { diskText } from '../../cli/show.ts'

export default class DiskShow extends ShoalCommand {
  static override summary = 'Show a disk; on its own peer also how it is used'
  static override examples = ['<%= config.bin %> disk show 1']
  static override args = { id: numberArg('disk', 'shoal disk list') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskShow)
    const disk = await this.client(flags).call('disk.show', { params: { id: args.id } })
    this.show(flags.json, disk, () => diskText(disk))
  }
}
