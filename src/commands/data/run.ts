import { readFile } from 'node:fs/promises'
import { Flags } from '@oclif/core'
import { PrintingCommand } from '../../cli/base-command.ts'
import { native } from '../../native.ts'

export default class DataRun extends PrintingCommand {
  static override hidden = true
  static override summary = 'Run the data process; the daemon starts it'
  static override flags = {
    config: Flags.string({ required: true, description: 'file with its settings' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(DataRun)
    // Its signals are its own business: Node's handlers must not end it under its feet.
    const { runData, leave } = native()
    leave(await runData(await readFile(flags.config, 'utf8')))
  }
}
