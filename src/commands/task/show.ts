import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { taskText } from '../../cli/task-text.ts'

export default class TaskShow extends ShoalCommand {
  static override summary = 'Show a task: how far, how fast, how long'
  static override description =
    'The task "rebalance" is all movement of healthy data in the cluster. Its bytes are reckoned ' +
    'from what the disks say they use; its rate is known from the second look on.'
  static override examples = ['<%= config.bin %> task show rebalance']
  static override args = { id: Args.string({ required: true, description: 'its name' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TaskShow)
    const api = this.client(flags)
    const params = { id: args.id }
    const task = await api.call('task.show', { params })
    const isMovement = task.kind === 'rebalance'
    const limits = isMovement ? await api.call('task.limits', { params }) : null
    const value = limits ? { ...task, limits } : task
    this.show(flags.json, value, () => taskText(task, limits))
  }
}
