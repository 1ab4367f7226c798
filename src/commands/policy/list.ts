import { listFlags, ShoalCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/output.ts'
import { policyColumns } from '../../cli/show.ts'

export default class PolicyList extends ShoalCommand {
  static override summary = 'List policies'
  static override examples = ['<%= config.bin %> policy list']
  static override flags = listFlags

  async run(): Promise<void> {
    const { flags } = await this.parse(PolicyList)
    const policies = await this.client(flags).call('policy.list')
    const options = this.listOptions(flags)
    this.show(false, policies, () => renderList(policies, policyColumns, one => one.name, options))
  }
}
