import { ShoalCommand } from '../../cli/base-command.ts'
import { numberArg } from '../../cli/number-arg.ts'
import { exitCode } from '../../common/exit-code.ts'

export default class DiskSafeToRemove extends ShoalCommand {
  static override summary = 'Say whether a disk may be taken away, and what would be lost'
  static override description = 'Exit status 0: nothing rests on it; 5: see what is said.'
  static override examples = ['<%= config.bin %> disk safe-to-remove 3']
  static override args = { id: numberArg('disk', 'shoal disk list') }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskSafeToRemove)
    const check = await this.client(flags).call('disk.safe_to_remove', { params: { id: args.id } })
    this.show(flags.json, check, () =>
      check.safe
        ? `disk ${args.id} may be taken away`
        : [`disk ${args.id} must not be taken away:`, ...check.reasons].join('\n  '),
    )
    if (!check.safe) process.exitCode = exitCode.conflict
  }
}
