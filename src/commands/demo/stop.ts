import { DemoCommand, peerArgs } from '../../cli/demo-command.ts'

export default class DemoStop extends DemoCommand {
  static override summary = 'Stop a peer of a demo in an orderly way'
  static override examples = ['<%= config.bin %> demo stop p2']
  static override args = peerArgs

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DemoStop)
    await this.act(flags, args.peer, 'stop')
  }
}
