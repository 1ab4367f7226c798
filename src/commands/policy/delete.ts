import { Args } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'

export default class PolicyDelete extends ShoalCommand {
  static override summary = 'Delete a policy that no volume uses'
  static override examples = ['<%= config.bin %> policy delete old']
  static override args = { name: Args.string({ required: true, description: 'its name' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(PolicyDelete)
    await this.client(flags).call('policy.delete', { params: { name: args.name } })
    this.show(flags.json, { deleted: args.name }, () => `deleted policy ${args.name}`)
  }
}
