import { Args, Flags } from '@oclif/core'
import { confirmFlags, ShoalCommand } from '../../cli/base-command.ts'

export default class DiskRemove extends ShoalCommand {
  static override summary = 'Take a disk out of the cluster for good'
  static override description =
    'Its data is made anew on other disks; once nothing rests on it, it is forgotten. Refused when ' +
    'it holds the last copy of anything.'
  static override examples = ['<%= config.bin %> disk remove 3 --yes --confirm 3']
  static override args = { id: Args.integer({ required: true, description: 'number of the disk' }) }
  static override flags = {
    ...confirmFlags,
    'allow-degraded': Flags.boolean({ description: 'accept fewer copies than the policies want' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskRemove)
    const api = this.client(flags)
    const params = { id: args.id }
    const found = await api.call('disk.show', { params })
    const what = `take disk ${args.id} (${found.path} on ${found.peer}) out for good`
    await this.confirmDestroying(what, String(args.id), flags)
    const query = { allow_degraded: flags['allow-degraded'] }
    const disk = await api.call('disk.remove', { params, query })
    this.show(flags.json, disk, () => `disk ${disk.id} is out; it is forgotten once it is empty`)
  }
}
