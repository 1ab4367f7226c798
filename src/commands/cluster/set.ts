import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { renderFields } from '../../cli/output.ts'
import { formatDuration, parseDuration } from '../../common/duration.ts'
import { ShoalError } from '../../common/errors.ts'

export default class ClusterSet extends ShoalCommand {
  static override summary = 'Change settings of the whole cluster'
  static override description =
    'A peer that is in maintenance (shoal peer maintenance) is not counted as gone.'
  static override examples = ['<%= config.bin %> cluster set --rebuild-after 30m']
  static override flags = {
    'rebuild-after': Flags.string({
      description:
        'make the data of a peer or disk anew when it was gone for so long (10m at first)',
      helpValue: 'DURATION',
    }),
    'replace-voter-after': Flags.string({
      description: 'let another peer vote instead of one that was gone for so long (2m at first)',
      helpValue: 'DURATION',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterSet)
    const wanted = {
      rebuild_after_ms: durationOf(flags['rebuild-after']),
      replace_voter_after_ms: durationOf(flags['replace-voter-after']),
    }
    if (Object.values(wanted).every(value => value === null))
      throw new ShoalError('usage', 'nothing is to be set', { next: 'shoal cluster set --help' })
    const set = await this.client(flags).call('cluster.set', { body: wanted })
    this.show(flags.json, set, () =>
      renderFields([
        ['rebuild after', formatDuration(set.rebuild_after_ms)],
        ['replace voter after', formatDuration(set.replace_voter_after_ms)],
      ]),
    )
  }
}

function durationOf(text: string | undefined): number | null {
  return text === undefined ? null : parseDuration(text)
}
