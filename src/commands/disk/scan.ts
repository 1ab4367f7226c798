import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList, sizeText } from '../../cli/output.ts'

export default class DiskScan extends ShoalCommand {
  static override summary = 'List the block devices of the peer, and why one cannot be added'
  static override examples = ['<%= config.bin %> disk scan']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(DiskScan)
    const found = await this.client(flags).call('disk.scan')
    const options = this.listOptions(flags)
    const columns = [
      { header: 'path', value: (row: (typeof found)[number]) => row.path },
      {
        header: 'size',
        value: (row: (typeof found)[number]) => sizeText(row.size, options.isExact),
        align: 'right' as const,
      },
      { header: 'class', value: (row: (typeof found)[number]) => row.class },
      { header: 'model', value: (row: (typeof found)[number]) => row.model, isWide: true },
      { header: 'serial', value: (row: (typeof found)[number]) => row.serial, isWide: true },
      {
        header: 'usable',
        value: (row: (typeof found)[number]) =>
          row.refusal === null ? 'yes' : `no: ${row.refusal}`,
      },
    ]
    this.show(false, found, () => renderList(found, columns, row => row.path, options))
  }
}
