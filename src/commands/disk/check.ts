import { Flags } from '@oclif/core'
import type { Reply } from '../../api/contract.ts'
import { ShoalCommand } from '../../cli/base-command.ts'
import { numberArg } from '../../cli/number-arg.ts'
import { checkText } from '../../cli/scrub-text.ts'
import { sleep } from '../../common/clock.ts'
import { Progress } from '../../common/progress.ts'

const pollMs = 300

export default class DiskCheck extends ShoalCommand {
  static override summary = 'Read and verify everything on a disk of this peer; repair what is bad'
  static override description =
    'Metadata as well as data. What is bad is written anew: metadata from memory, data from another ' +
    'copy. The check goes on when the command ends.'
  static override examples = ['<%= config.bin %> disk check 1 --wait']
  static override args = { id: numberArg('disk', 'shoal disk list') }
  static override flags = {
    wait: Flags.boolean({ char: 'w', description: 'until it is done', default: false }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskCheck)
    const api = this.client(flags)
    const params = { id: args.id }
    let check: Reply<'disk.check'> = await api.call('disk.check', { params })
    const query = { id: check.id! }
    const progress = new Progress(`disk ${args.id}`, 'bytes')
    while (flags.wait && check.result === null) {
      await sleep(pollMs)
      check = await api.call('disk.checked', { params, query })
      if (check.running && !flags.json) progress.update(check.running.done, check.running.total)
    }
    this.show(flags.json, check, () => checkText(args.id, check))
  }
}
