import { Args, Flags } from '@oclif/core'
import { ShoalCommand } from '../cli/base-command.ts'
import { ShoalError } from '../common/errors.ts'

export default class Detach extends ShoalCommand {
  static override summary = 'Detach a volume from the peer'
  static override description =
    'Refused while the device is in use. With --force the device is taken away from whoever uses ' +
    'it; this works without a daemon too.'
  static override examples = [
    '<%= config.bin %> detach db0',
    '<%= config.bin %> detach db0 --force',
  ]
  static override args = { volume: Args.string({ required: true, description: 'its name' }) }
  static override flags = {
    force: Flags.boolean({ description: 'also while it is in use, also with no daemon running' }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Detach)
    const api = this.client(flags)
    const query = flags.force ? { force: true } : {}
    try {
      await api.call('device.detach', { params: { volume: args.volume }, query })
    } catch (thrown) {
      const isGone = thrown instanceof ShoalError && thrown.code === 'unreachable'
      if (!flags.force || !isGone) throw thrown
      const { detachWithoutDaemon } = await import('../ublk/force-detach.ts')
      await detachWithoutDaemon(api.socketPath, args.volume)
    }
    this.show(flags.json, { detached: args.volume }, () => `detached ${args.volume}`)
  }
}
