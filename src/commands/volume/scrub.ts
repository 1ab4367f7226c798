import { Args, Flags } from '@oclif/core'
import type { Reply } from '../../api/contract.ts'
import { ShoalCommand } from '../../cli/base-command.ts'
import { scrubProgress, scrubText, waitText } from '../../cli/scrub-text.ts'
import { sleep } from '../../common/clock.ts'
import { ShoalError } from '../../common/errors.ts'
import { Progress } from '../../common/progress.ts'

const pollMs = 300

export default class VolumeScrub extends ShoalCommand {
  static override summary = 'Read and verify every copy of a volume; repair what is bad'
  static override description =
    'Each disk that holds a part of the volume reads its copy, compares it with the checksums, and ' +
    'fetches what is bad from another copy. The scrub goes on when the command ends.'
  static override examples = ['<%= config.bin %> volume scrub db0 --wait']
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    wait: Flags.boolean({ char: 'w', description: 'until every disk is done', default: false }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeScrub)
    const api = this.client(flags)
    const params = { name: args.name }
    let scrub: Reply<'volume.scrub'> = await api.call('volume.scrub', { params })
    let said = ''
    const progress = new Progress(`scrub of ${args.name}`, 'bytes')
    while (flags.wait && !scrub.is_done) {
      await sleep(pollMs)
      const now = await api.call('volume.scrubbed', { params, query: { id: scrub.id } })
      if (!now) throw forgotten(scrub.id, args.name)
      scrub = now
      const waits = waitText(scrub)
      if (waits !== said && waits !== '') this.say(waits)
      said = waits
      const sum = scrubProgress(scrub)
      if (sum?.total && !flags.json) progress.update(sum.done, sum.total)
    }
    this.show(flags.json, scrub, () => scrubText(scrub))
  }
}

/** The cluster keeps its newest events alone. */
function forgotten(id: number, name: string): ShoalError {
  return new ShoalError('not_found', `scrub ${id} is not among the newest events any more`, {
    next: `begin anew: shoal volume scrub ${name} --wait`,
  })
}
