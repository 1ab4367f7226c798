import { DemoCommand } from '../../cli/demo-command.ts'
import { demoStatus } from '../../demo/down.ts'
import { demoText } from '../../demo/view.ts'

export default class DemoStatus extends DemoCommand {
  static override summary = 'Show which peers of a demo run'
  static override examples = ['<%= config.bin %> demo status --json']

  async run(): Promise<void> {
    const { flags } = await this.parse(DemoStatus)
    const view = await demoStatus(this.demoDir(flags))
    this.show(flags.json, view, () => demoText(view))
  }
}
