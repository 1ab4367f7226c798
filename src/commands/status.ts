import { Flags } from '@oclif/core'
import { ShoalCommand } from '../cli/base-command.ts'
import { statusText } from '../cli/status-text.ts'
import { exitCode } from '../common/exit-code.ts'

export default class Status extends ShoalCommand {
  static override summary = 'Show how the cluster is: health, capacity, work in progress'
  static override examples = ['<%= config.bin %> status', '<%= config.bin %> status --exit-code']
  static override flags = {
    'exit-code': Flags.boolean({ char: 'x', description: 'exit with 10 unless all is well' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Status)
    const status = await this.client(flags).call('status.show')
    this.show(flags.json, status, () => statusText(status))
    if (flags['exit-code'] && status.health !== 'ok') process.exitCode = exitCode.degraded
  }
}
