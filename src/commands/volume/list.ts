import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { volumeColumns } from '../../cli/show.ts'

export default class VolumeList extends ShoalCommand {
  static override summary = 'List volumes'
  static override examples = [
    '<%= config.bin %> volume list',
    '<%= config.bin %> volume list -Hp -o wide',
  ]
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(VolumeList)
    const volumes = await this.client(flags).call('volume.list')
    const options = this.listOptions(flags)
    const columns = volumeColumns(options.isExact)
    this.show(false, volumes, () => renderList(volumes, columns, one => one.name, options))
  }
}
