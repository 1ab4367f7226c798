import { Flags } from '@oclif/core'
import { ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { numberArg } from '../../cli/number-arg.ts'
import { parseNames } from '../../cli/pairs.ts'
import { ShoalError } from '../../common/errors.ts'
import { parseSize } from '../../common/units.ts'

export default class DiskSet extends ChangeCommand {
  static override summary = 'Set the weight, the labels or the reserve of a disk'
  static override description =
    'The weight is the share of the data, by ratio; a new disk has its size in GiB. With 0 the disk ' +
    'keeps nothing, as if it drained. Labels are what policies ask for. The reserve is the ' +
    'part of it that placement counts as not there.'
  static override examples = [
    '<%= config.bin %> disk set 3 --weight 500 --dry-run',
    '<%= config.bin %> disk set 3 --labels fast,new',
    '<%= config.bin %> disk set 3 --reserve 200GiB',
    "<%= config.bin %> disk set 3 --labels ''",
  ]
  static override args = { id: numberArg('disk', 'shoal disk list') }
  static override flags = {
    ...changeFlags,
    weight: Flags.integer({ description: 'share of the data', min: 0, max: 2 ** 31 }),
    labels: Flags.string({ description: 'names, separated by commas; empty: none' }),
    reserve: Flags.string({ description: 'part that is kept free, as 100GiB; 0: none' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskSet)
    if ([flags.weight, flags.labels, flags.reserve].every(one => one === undefined))
      throw new ShoalError('usage', 'nothing to set', {
        next: 'add --weight N, --labels NAMES or --reserve SIZE',
      })
    const change = {
      type: 'disk_set' as const,
      disk: args.id,
      weight: flags.weight ?? null,
      labels: flags.labels === undefined ? null : parseNames(flags.labels),
      reserve: flags.reserve === undefined ? null : parseSize(flags.reserve),
    }
    await this.change(change, flags, `disk ${args.id} is set`)
  }
}
