import { DemoCommand, peerArgs } from '../../cli/demo-command.ts'

export default class DemoStart extends DemoCommand {
  static override summary = 'Start a stopped peer of a demo'
  static override examples = ['<%= config.bin %> demo start p2']
  static override args = peerArgs

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DemoStart)
    await this.act(flags, args.peer, 'start')
  }
}
