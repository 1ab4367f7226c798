import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { limitsText } from '../../cli/task-text.ts'

export default class TaskResume extends ShoalCommand {
  static override summary = 'Go on with what was paused'
  static override examples = ['<%= config.bin %> task resume rebalance']
  static override args = { id: Args.string({ required: true, description: 'rebalance' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TaskResume)
    const limits = await this.client(flags).call('task.resume', { params: { id: args.id } })
    this.show(flags.json, limits, () => `${args.id} goes on: ${limitsText(limits)}`)
  }
}
