import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { deviceColumns } from '../../cli/show.ts'

export default class DeviceList extends ShoalCommand {
  static override summary = 'List what the peer serves: devices and exports'
  static override examples = ['<%= config.bin %> device list']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(DeviceList)
    const devices = await this.client(flags).call('device.list')
    const options = this.listOptions(flags)
    this.show(false, devices, () => renderList(devices, deviceColumns, one => one.device, options))
  }
}
