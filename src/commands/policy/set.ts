import { Args, Flags } from '@oclif/core'
import { confirmFlags } from '../../cli/base-command.ts'
import { domains, parseBounds } from '../../cli/bounds.ts'
import { ChangeCommand, changeFlags, type PolicyChange } from '../../cli/change-command.ts'
import { parseNames } from '../../cli/pairs.ts'
import { ShoalError } from '../../common/errors.ts'

export default class PolicySet extends ChangeCommand {
  static override summary = 'Change a policy: how many copies, and where they may lie'
  static override description =
    'Data moves as the new rules ask. Fewer copies have to be confirmed. Changed --reads count for ' +
    'a volume from its next attachment on, all else at once. More --groups move nothing: volumes that ' +
    'are there keep to the old ones, those to come use all. A count that is given is kept; with auto ' +
    'it doubles when there are disks for twice as many.'
  static override examples = [
    '<%= config.bin %> policy set default --domain rack --dry-run',
    '<%= config.bin %> policy set default --copies 3 --max-per rack=2',
    '<%= config.bin %> policy set fast --class nvme --labels new',
    '<%= config.bin %> policy set default --groups 256',
    '<%= config.bin %> policy set default --groups auto',
    '<%= config.bin %> policy set default --copies 2 --yes --confirm default',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    ...changeFlags,
    ...confirmFlags,
    rename: Flags.string({ description: 'another name' }),
    copies: Flags.integer({ description: 'copies of every block', min: 1, max: 7 }),
    'min-in-sync': Flags.integer({
      description: 'writes wait below so many copies in sync',
      min: 1,
      max: 7,
    }),
    domain: Flags.string({ description: 'what may hold only one copy', options: [...domains] }),
    class: Flags.string({
      description: 'only disks of this class',
      options: ['nvme', 'ssd', 'hdd', 'any'],
    }),
    reads: Flags.string({
      description: 'how reads stay exact after a take-over',
      options: ['lease', 'confirmed'],
    }),
    'max-per': Flags.string({ description: 'upper bounds, as peer=1,rack=2; none: no bound' }),
    labels: Flags.string({ description: 'only disks with all of these; empty: any' }),
    localize: Flags.string({ description: 'one copy at peer:NAME or zone:NAME; none: anywhere' }),
    'allow-short': Flags.boolean({
      description: 'although there are fewer domains than copies; those to come are filled',
      default: false,
    }),
    groups: Flags.string({
      description: 'placement groups, a power of two, never fewer; auto: as the disks become more',
      helpValue: 'COUNT|auto',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicySet)
    const change: PolicyChange = {
      name: flags.rename ?? null,
      copies: flags.copies ?? null,
      min_in_sync: flags['min-in-sync'] ?? null,
      failure_domain: (flags.domain ?? null) as PolicyChange['failure_domain'],
      class: (flags.class ?? null) as PolicyChange['class'],
      reads: (flags.reads ?? null) as PolicyChange['reads'],
      max_per: flags['max-per'] === undefined ? null : parseBounds(flags['max-per']),
      labels: flags.labels === undefined ? null : parseNames(flags.labels),
      localize: flags.localize ?? null,
      ...groupsOf(flags.groups),
    }
    if (Object.values(change).every(value => value === null))
      throw new ShoalError('usage', 'nothing to set', { next: 'add --help to see what can be set' })
    if (!flags['dry-run']) await this.#confirmFewer(args.name, flags)
    const whole = { type: 'policy_set' as const, policy: args.name, change }
    await this.change(whole, flags, `policy ${flags.rename ?? args.name} is set`)
  }

  async #confirmFewer(
    name: string,
    flags: {
      copies?: number | undefined
      confirm?: string | undefined
      server?: string | undefined
    },
  ): Promise<void> {
    if (flags.copies === undefined) return
    const policy = await this.client(flags).call('policy.show', { params: { name } })
    if (flags.copies >= policy.copies) return
    const what =
      `keep ${flags.copies} instead of ${policy.copies} copies of ` +
      `${policy.volumes} volumes of policy ${name}`
    await this.confirmDestroying(what, name, flags)
  }
}

const groupsMax = 262_144

/** A count that somebody gives is his: it does not grow by itself any more. */
function groupsOf(text: string | undefined): Pick<PolicyChange, 'pg_count' | 'follows_disks'> {
  if (text === undefined) return { pg_count: null, follows_disks: null }
  if (text === 'auto') return { pg_count: null, follows_disks: true }
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= groupsMax)
    return { pg_count: count, follows_disks: false }
  throw new ShoalError('usage', `${text} is no count of groups`, {
    next: `give a power of two up to ${groupsMax}, or auto`,
  })
}
