import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { diskColumns } from '../../cli/show.ts'

export default class DiskList extends ShoalCommand {
  static override summary = 'List disks'
  static override examples = ['<%= config.bin %> disk list']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(DiskList)
    const disks = await this.client(flags).call('disk.list')
    const options = this.listOptions(flags)
    const columns = diskColumns(options.isExact)
    this.show(false, disks, () => renderList(disks, columns, disk => String(disk.id), options))
  }
}
