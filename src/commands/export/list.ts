import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { exportColumns } from '../../cli/show.ts'

export default class ExportList extends ShoalCommand {
  static override summary = 'List exports'
  static override examples = ['<%= config.bin %> export list']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(ExportList)
    const exports = await this.client(flags).call('export.list')
    const options = this.listOptions(flags)
    this.show(false, exports, () =>
      renderList(exports, exportColumns, one => String(one.id), options),
    )
  }
}
