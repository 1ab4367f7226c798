import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { limitsText } from '../../cli/task-text.ts'
import { ShoalError } from '../../common/errors.ts'
import { formatSize, parseSize } from '../../common/units.ts'

const limit = { min: 1, max: 65_536 }

export default class TaskSet extends ShoalCommand {
  static override summary = 'Set how much data moves at once, and how fast'
  static override description =
    'A member is one copy of one placement group. The limits count members that fill up at the same ' +
    'time; the setting reconcile.joins_max of the peer that leads is an upper bound for all of them. ' +
    'Rates are what groups that have all their copies may move; those that lack copies are never held back.'
  static override examples = [
    '<%= config.bin %> task set rebalance --per-disk 1 --total 8',
    '<%= config.bin %> task set rebalance --disk-rate 50MiB --peer-rate 200MiB',
    '<%= config.bin %> task set rebalance --disk-rate none',
  ]
  static override args = { id: Args.string({ required: true, description: 'rebalance' }) }
  static override flags = {
    'per-disk': Flags.integer({ description: 'members that fill up on one disk', ...limit }),
    'per-peer': Flags.integer({ description: 'members that fill up on one peer', ...limit }),
    total: Flags.integer({ description: 'members that fill up in the cluster', ...limit }),
    'disk-rate': Flags.string({ description: 'bytes a second into one disk; none: no bound' }),
    'peer-rate': Flags.string({ description: 'bytes a second into one peer; none: no bound' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TaskSet)
    const body = {
      per_disk: flags['per-disk'] ?? null,
      per_peer: flags['per-peer'] ?? null,
      total: flags.total ?? null,
      disk_rate: rateOf(flags['disk-rate']),
      peer_rate: rateOf(flags['peer-rate']),
    }
    if (Object.values(body).every(value => value === null))
      throw new ShoalError('usage', 'nothing to set', {
        next: 'add --per-disk, --per-peer, --total, --disk-rate or --peer-rate',
      })
    const limits = await this.client(flags).call('task.set', { params: { id: args.id }, body })
    this.show(flags.json, limits, () => limitsText(limits))
  }
}

/** Slower than this, and one copy of a chunk would take seconds. */
const rateMin = 2 ** 20

function rateOf(text: string | undefined): number | null {
  if (text === undefined) return null
  if (text === 'none') return 0
  const rate = parseSize(text)
  if (rate >= rateMin) return rate
  throw new ShoalError('usage', `"${text}" a second is too slow to ever end`, {
    next: `give at least ${formatSize(rateMin)}, none for no bound, or pause: shoal task pause`,
  })
}
