import { Flags } from '@oclif/core'
import { DemoCommand } from '../../cli/demo-command.ts'
import { demoDown } from '../../demo/down.ts'

export default class DemoDown extends DemoCommand {
  static override summary = 'End a demo: its processes, and its directory with all data'
  static override examples = ['<%= config.bin %> demo down', '<%= config.bin %> demo down --keep']
  static override flags = {
    keep: Flags.boolean({
      description: 'leave the directory; demo up goes on with it',
      default: false,
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(DemoDown)
    const dir = this.demoDir(flags)
    await demoDown(dir, flags.keep)
    this.show(flags.json, { dir, kept: flags.keep }, () => `ended the demo in ${dir}`)
  }
}
