import { Flags } from '@oclif/core'
import type { Reply } from '../api/contract.ts'
import { ShoalCommand } from '../cli/base-command.ts'
import { ShoalError } from '../common/errors.ts'
import { exitCode } from '../common/exit-code.ts'
import { examineMachine } from '../doctor/doctor.ts'

type Checks = Reply<'doctor.show'>['checks']

export default class Doctor extends ShoalCommand {
  static override summary = 'Look for what may go wrong: machine, settings, cluster'
  static override description =
    'Looks at the kernel, memory, clock, files and settings of this peer, and at the policies that ' +
    'its cluster has. Changes nothing. Without a daemon it looks at the machine alone, as before ' +
    'an installation. What is wrong at present is said by shoal status.'
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --exit-code']
  static override flags = {
    all: Flags.boolean({ char: 'a', description: 'also what is well', default: false }),
    dir: Flags.string({
      description: 'directory of the peer, where no daemon answers',
      default: '/var/lib/shoal',
      env: 'SHOAL_DIR',
    }),
    'exit-code': Flags.boolean({ char: 'x', description: 'exit with 10 on a warning or an error' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Doctor)
    const checks = await this.#checks(flags)
    this.show(flags.json, { checks }, () => text(checks, flags.all))
    const isBad = checks.some(check => check.result === 'warn' || check.result === 'error')
    if (flags['exit-code'] && isBad) process.exitCode = exitCode.degraded
  }

  async #checks(flags: { server?: string | undefined; dir: string }): Promise<Checks> {
    try {
      return (await this.client(flags).call('doctor.show')).checks
    } catch (thrown) {
      const isAway = thrown instanceof ShoalError && thrown.exit === exitCode.unreachable
      if (!isAway) throw thrown
      return examineMachine(flags.dir)
    }
  }
}

function text(checks: Checks, withAll: boolean): string {
  const shown = checks.filter(check => withAll || check.result !== 'ok')
  const well = checks.filter(check => check.result === 'ok').length
  const width = Math.max(0, ...shown.map(check => check.name.length))
  const lines = shown.flatMap(({ name, result, message, next }) => [
    `${result.padEnd(5)}  ${name.padEnd(width)}  ${message}`,
    ...(next === null ? [] : [`${' '.repeat(9 + width)}next: ${next}`]),
  ])
  return [...lines, `${well} of ${checks.length} checks are well`].join('\n')
}
