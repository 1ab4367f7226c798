import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { limitsText } from '../../cli/task-text.ts'
import { ShoalError } from '../../common/errors.ts'

const limit = { min: 1, max: 65_536 }

export default class TaskSet extends ShoalCommand {
  static override summary = 'Set how much data moves at once'
  static override description =
    'A member is one copy of one placement group. The limits count members that fill up at the same ' +
    'time; the setting reconcile.joins_max of the peer that leads is an upper bound for all of them.'
  static override examples = ['<%= config.bin %> task set rebalance --per-disk 1 --total 8']
  static override args = { id: Args.string({ required: true, description: 'rebalance' }) }
  static override flags = {
    'per-disk': Flags.integer({ description: 'members that fill up on one disk', ...limit }),
    'per-peer': Flags.integer({ description: 'members that fill up on one peer', ...limit }),
    total: Flags.integer({ description: 'members that fill up in the cluster', ...limit }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TaskSet)
    const body = {
      per_disk: flags['per-disk'] ?? null,
      per_peer: flags['per-peer'] ?? null,
      total: flags.total ?? null,
    }
    if (Object.values(body).every(value => value === null))
      throw new ShoalError('usage', 'nothing to set', {
        next: 'add --per-disk, --per-peer or --total',
      })
    const limits = await this.client(flags).call('task.set', { params: { id: args.id }, body })
    this.show(flags.json, limits, () => limitsText(limits))
  }
}
