import { DemoCommand, peerArgs } from '../../cli/demo-command.ts'

export default class DemoKill extends DemoCommand {
  static override summary = 'Kill all processes of a peer of a demo, as a power cut would'
  static override examples = ['<%= config.bin %> demo kill p2']
  static override args = peerArgs

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DemoKill)
    await this.act(flags, args.peer, 'kill')
  }
}
