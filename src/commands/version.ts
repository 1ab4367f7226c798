import { ShoalCommand } from '../cli/base-command.ts'
import { renderFields } from '../cli/output.ts'
import type { ShoalError } from '../common/errors.ts'
import { exitCode } from '../common/exit-code.ts'
import { programVersion } from '../common/version.ts'

export default class Version extends ShoalCommand {
  static override summary = 'Show the versions of the program and of what runs'
  static override examples = ['<%= config.bin %> version']

  async run(): Promise<void> {
    const { flags } = await this.parse(Version)
    const running = await this.client(flags)
      .call('version.show')
      .catch((error: ShoalError) => {
        if (error.exit === exitCode.unreachable || error.exit === exitCode.denied) return null
        throw error
      })
    const result = {
      program: programVersion(),
      node: process.version,
      control: running?.control ?? null,
      data: running?.data ?? null,
    }
    this.show(flags.json, result, () =>
      renderFields([
        ['program', result.program],
        ['node', result.node],
        ['control', result.control ?? 'not running'],
        ['data', result.data ?? 'not running'],
      ]),
    )
  }
}
