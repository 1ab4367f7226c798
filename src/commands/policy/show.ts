import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { policyText } from '../../cli/show.ts'

export default class PolicyShow extends ShoalCommand {
  static override summary = 'Show a policy'
  static override examples = ['<%= config.bin %> policy show default']
  static override args = { name: Args.string({ required: true, description: 'its name' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyShow)
    const policy = await this.client(flags).call('policy.show', { params: { name: args.name } })
    this.show(flags.json, policy, () => policyText(policy))
  }
}
