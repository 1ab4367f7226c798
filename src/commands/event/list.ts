import { Flags } from '@oclif/core'
import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { systemClock } from '../../common/clock.ts'
import { parseDuration } from '../../common/duration.ts'

const severities = ['info', 'warn', 'error']

export default class EventList extends ShoalCommand {
  static override summary = 'List what happened in the cluster, oldest first'
  static override examples = ['<%= config.bin %> event list --since 1h --severity warn']
  static override flags = {
    ...listFlags,
    since: Flags.string({ description: 'only so far back, for example 1h' }),
    severity: Flags.string({ description: 'only this severe or more', options: severities }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(EventList)
    const events = await this.client(flags).call('event.list')
    const sinceMs = flags.since ? systemClock.nowMs() - parseDuration(flags.since) : 0
    const least = severities.indexOf(flags.severity ?? 'info')
    const shown = events
      .filter(event => event.time_ms >= sinceMs && severities.indexOf(event.severity) >= least)
      .map(({ time_ms, ...event }) => ({ ...event, time: new Date(time_ms).toISOString() }))
    const columns = [
      { header: 'time', value: (row: (typeof shown)[number]) => row.time },
      { header: 'severity', value: (row: (typeof shown)[number]) => row.severity },
      { header: 'subject', value: (row: (typeof shown)[number]) => row.subject },
      { header: 'message', value: (row: (typeof shown)[number]) => row.message },
    ]
    const options = this.listOptions(flags)
    this.show(false, shown, () => renderList(shown, columns, one => String(one.id), options))
  }
}
