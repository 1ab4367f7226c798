import { Flags } from '@oclif/core'
import { ShoalCommand } from '../../cli/base-command.ts'
import { parseDuration } from '../../common/duration.ts'
import { ShoalError } from '../../common/errors.ts'

const ttlMsMin = 1_000
const ttlMsMax = 86_400_000

export default class ClusterToken extends ShoalCommand {
  static override summary = 'Make a token that admits one peer'
  static override description =
    'Prints one line to paste on the new peer. It works once, until it expires, and lets the new ' +
    'peer verify the cluster too.'
  static override examples = ['<%= config.bin %> cluster token --ttl 10m']
  static override flags = {
    ttl: Flags.string({ description: 'how long it is good for', default: '1h' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterToken)
    const ttl_ms = parseDuration(flags.ttl)
    if (ttl_ms < ttlMsMin || ttl_ms > ttlMsMax) {
      throw new ShoalError('usage', `a token cannot be good for ${flags.ttl}`, {
        next: 'choose from 1s to 24h',
      })
    }
    const made = await this.client(flags).call('cluster.token', { body: { ttl_ms } })
    this.show(flags.json, made, () => made.token)
    if (!flags.json) this.say(`on the new peer, until ${made.expires_at}: shoal cluster join TOKEN`)
  }
}
