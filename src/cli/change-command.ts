// Commands that move data: planned with --dry-run, else made, and then it is said what follows.
import { Flags } from '@oclif/core'
import type { CallInput } from '../api/client.ts'
import { ShoalError } from '../common/errors.ts'
import { formatSize, parseSize } from '../common/units.ts'
import { ShoalCommand } from './base-command.ts'
import { durationText, planText, warningTexts } from './placement-text.ts'

export type Change = NonNullable<CallInput<'placement.plan'>['body']>['change']
export type PolicyChange = Extract<Change, { type: 'policy_set' }>['change']

export const changeFlags = {
  'dry-run': Flags.boolean({
    char: 'n',
    description: 'show what would move, and change nothing',
    default: false,
  }),
  rate: Flags.string({
    description: 'what one disk copies in a second, to tell how long it takes',
    default: '100MiB',
  }),
}

export interface ChangeValues {
  'dry-run': boolean
  rate: string
  json: boolean
  server?: string | undefined
}

function rateOf(text: string): number {
  const rate = parseSize(text)
  if (rate > 0) return rate
  throw new ShoalError('usage', 'nothing is copied at --rate 0', { next: 'for example 100MiB' })
}

export abstract class ChangeCommand extends ShoalCommand {
  /** `done`: what was changed, as a sentence without a full stop. */
  protected async change(
    change: Change,
    flags: ChangeValues & { 'allow-short'?: boolean },
    done: string,
  ): Promise<void> {
    if (flags['dry-run']) return this.preview(change, flags)
    const allow_short = flags['allow-short'] ?? false
    const body = { change, allow_short, bytes_per_second: rateOf(flags.rate) }
    const plan = await this.client(flags).call('placement.change', { body })
    this.show(flags.json, plan, () => done)
    for (const warning of warningTexts(plan)) this.say(warning)
    if (plan.moved === 0) return
    const time = durationText(plan.seconds)
    this.say(
      `${plan.moved} members (${formatSize(plan.moved_bytes)}) move, at least ${time}; ` +
        'watch: shoal task show rebalance',
    )
  }

  protected async preview(change: Change, flags: ChangeValues): Promise<void> {
    const body = { change, bytes_per_second: rateOf(flags.rate) }
    const plan = await this.client(flags).call('placement.plan', { body })
    this.show(flags.json, plan, () => planText(plan))
    this.say('dry run: nothing was changed')
  }
}
