import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { domains, parseBounds } from '../../cli/bounds.ts'
import { parseNames } from '../../cli/pairs.ts'
import { policyText } from '../../cli/show.ts'
import { ShoalError } from '../../common/errors.ts'

export default class PolicyCreate extends ShoalCommand {
  static override summary = 'Create a policy and place its groups on the disks there are'
  static override examples = [
    '<%= config.bin %> policy create default --copies 3',
    '<%= config.bin %> policy create fast --copies 2 --class nvme --domain rack',
    '<%= config.bin %> policy create wide --copies 3 --max-per rack=2 --labels new --localize zone:west',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    copies: Flags.integer({ description: 'copies of every block', default: 3, min: 1, max: 7 }),
    'min-in-sync': Flags.integer({
      description: 'writes wait below so many copies in sync (default: copies - 1, at least 1)',
      min: 1,
      max: 7,
    }),
    domain: Flags.string({
      description: 'what may hold only one copy',
      options: [...domains],
      default: 'peer',
    }),
    class: Flags.string({
      description: 'only disks of this class',
      options: ['nvme', 'ssd', 'hdd'],
    }),
    'max-per': Flags.string({ description: 'upper bounds beside it, as rack=2,zone=2' }),
    labels: Flags.string({ description: 'only disks with all of these' }),
    localize: Flags.string({ description: 'one copy at peer:NAME or zone:NAME' }),
    groups: Flags.integer({
      description:
        'placement groups, a power of two, and no others (default: by disks, and more with more)',
    }),
    ec: Flags.string({
      description: 'k+m, as 4+2: can be planned, not stored yet',
      helpValue: 'K+M',
    }),
    'allow-short': Flags.boolean({
      description: 'although there are fewer domains than copies; those to come are filled',
      default: false,
    }),
    'dry-run': Flags.boolean({
      char: 'n',
      description: 'show what would be made',
      default: false,
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyCreate)
    if (flags.ec !== undefined) throw notStoredYet(flags.ec)
    const policy = await this.client(flags).call('policy.create', {
      body: {
        name: args.name,
        copies: flags.copies,
        min_in_sync: flags['min-in-sync'] ?? null,
        failure_domain: flags.domain as 'disk' | 'peer' | 'rack' | 'zone',
        class: (flags.class ?? null) as 'nvme' | 'ssd' | 'hdd' | null,
        pg_count: flags.groups ?? null,
        max_per: parseBounds(flags['max-per'] ?? 'none'),
        labels: parseNames(flags.labels ?? ''),
        localize: flags.localize ?? null,
        allow_short: flags['allow-short'],
        dry_run: flags['dry-run'],
      },
    })
    this.show(flags.json, policy, () => policyText(policy))
    if (flags['dry-run']) this.say('dry run: nothing was changed')
    else if (policy.state === 'empty')
      this.say(`next: add disks on at least ${policy.copies} peers (shoal disk add DEV)`)
  }
}

function notStoredYet(ec: string): ShoalError {
  return new ShoalError('unsupported', `data cannot be stored as ${ec} yet`, {
    why: 'this version places erasure code, and writes whole copies only',
    next: `plan it from a file: shoal placement plan, with "ec": "${ec}"; or store copies: --copies`,
  })
}
