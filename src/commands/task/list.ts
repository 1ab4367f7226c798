import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { taskColumns } from '../../cli/task-text.ts'

export default class TaskList extends ShoalCommand {
  static override summary = 'List long work: what moves in the cluster, and what this peer does'
  static override examples = ['<%= config.bin %> task list']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(TaskList)
    const tasks = await this.client(flags).call('task.list')
    const options = this.listOptions(flags)
    this.show(false, tasks, () => renderList(tasks, taskColumns, task => task.id, options))
  }
}
