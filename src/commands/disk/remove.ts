import { Flags } from '@oclif/core'
import { confirmFlags } from '../../cli/base-command.ts'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { numberArg } from '../../cli/number-arg.ts'
import { lossText } from '../../cli/show.ts'

export default class DiskRemove extends ChangeCommand {
  static override summary = 'Take a disk out of the cluster for good'
  static override description =
    'Refused while there is data on it: drain it first. With --force its copies are made anew on ' +
    'other disks; once nothing rests on it, it is forgotten. Always refused when it holds the last ' +
    'copy of anything.'
  static override examples = [
    '<%= config.bin %> disk remove 3 --dry-run --force',
    '<%= config.bin %> disk remove 3 --yes --confirm 3',
  ]
  static override args = { id: numberArg('disk', 'shoal disk list') }
  static override flags = {
    ...changeFlags,
    ...confirmFlags,
    force: Flags.boolean({ description: 'although there is data on it' }),
    'allow-degraded': Flags.boolean({ description: 'accept fewer copies than the policies want' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskRemove)
    const api = this.client(flags)
    const params = { id: args.id }
    const found = await api.call('disk.show', { params })
    if (flags['dry-run']) {
      this.say(lossText(found))
      return this.preview({ type: 'disk_state', disk: args.id, state: 'out' }, flags)
    }
    const where = `disk ${args.id} (${found.path} on ${found.peer})`
    const what = `take ${where} out for good; ${lossText(found)}`
    await this.confirmDestroying(what, String(args.id), flags)
    const query = { allow_degraded: flags['allow-degraded'], force: flags.force }
    const disk = await api.call('disk.remove', { params, query })
    this.show(flags.json, disk, () => `disk ${disk.id} is out; it is forgotten once it is empty`)
  }
}
