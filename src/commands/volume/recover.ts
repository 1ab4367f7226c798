import { Args, Flags } from '@oclif/core'
import { confirmFlags, ShoalCommand } from '../../cli/base-command.ts'
import { sizeText } from '../../cli/output.ts'
import { ShoalError } from '../../common/errors.ts'

const rangesShown = 20

export default class VolumeRecover extends ShoalCommand {
  static override summary = 'Go on from older copies of a volume: the newest are gone for good'
  static override description =
    'For placement groups whose every copy in sync is on disks that are away: the newest of the ' +
    'others becomes the truth. Writes that only the lost copies had are lost, also when those come ' +
    'back. First bring back whatever can be brought back. Without --allow-data-loss it says what ' +
    'may be old, and changes nothing.'
  static override examples = [
    '<%= config.bin %> volume recover db0',
    '<%= config.bin %> volume recover db0 --allow-data-loss --confirm db0',
  ]
  static override args = { name: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    ...confirmFlags,
    'allow-data-loss': Flags.boolean({ description: 'do it; writes may be lost', default: false }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(VolumeRecover)
    const api = this.client(flags)
    const params = { name: args.name }
    const plan = await api.call('volume.recover', { params, body: { allow_data_loss: false } })
    const ranges = plan.ranges.slice(0, rangesShown).map(one => `  ${one.offset} +${one.length}`)
    const more = plan.ranges.length > ranges.length ? ['  ...'] : []
    const old = `${sizeText(plan.old_bytes, false)} of ${args.name} may be old`
    const others = plan.others.length > 0 ? [`so may parts of ${plan.others.join(', ')}`] : []
    const said = [old, ...ranges, ...more, ...others].join('\n')
    if (plan.groups === 0)
      return this.show(flags.json, plan, () => nothing(args.name, plan.hopeless))
    if (!flags['allow-data-loss']) return this.show(flags.json, plan, () => said)
    this.say(said)
    await this.confirmDestroying(`let ${args.name} go on from older copies`, args.name, flags)
    const done = await api.call('volume.recover', { params, body: { allow_data_loss: true } })
    if (done.refused > 0)
      throw new ShoalError('conflict', `${done.refused} placement groups changed meanwhile`, {
        next: `shoal volume recover ${args.name}`,
      })
    this.show(flags.json, done, () => `${args.name} goes on from older copies`)
  }
}

function nothing(name: string, hopeless: number): string {
  if (hopeless === 0) return `${name} has a copy in sync of everything: there is nothing to recover`
  return `${hopeless} placement groups of ${name} have no copy left that could be gone on from`
}
