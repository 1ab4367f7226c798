import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class TaskPause extends ShoalCommand {
  static override summary = 'Let no healthy data begin to move'
  static override description =
    'What is under way is finished, and groups that lack copies get them all the same. It holds for ' +
    'the whole cluster, also after a restart, until "task resume".'
  static override examples = ['<%= config.bin %> task pause rebalance']
  static override args = { id: Args.string({ required: true, description: 'rebalance' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TaskPause)
    const limits = await this.client(flags).call('task.pause', { params: { id: args.id } })
    this.show(flags.json, limits, () => `${args.id} is paused; go on: shoal task resume ${args.id}`)
  }
}
