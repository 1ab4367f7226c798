// From the command line to a command, and from whatever it threw to an exit code.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Config, type Interfaces, run, settings } from '@oclif/core'
import { ShoalError } from '../common/errors.ts'
import { exitCode } from '../common/exit-code.ts'
import { nearest } from '../common/nearest.ts'
import { loadCheckout } from './command-list.ts'
import { reportError, wantsJson } from './report.ts'

export async function main(root: string, isSource: boolean): Promise<void> {
  const argv = asFlag(process.argv.slice(2))
  process.once('SIGINT', () => process.exit(exitCode.interrupted))
  try {
    const config = await loadCommands(root, isSource)
    refuseUnknown(config, argv)
    await run(argv, config)
  } catch (thrown) {
    process.exitCode = reportError(thrown, wantsJson(argv))
  }
}

/** `shoal help volume create` is another way to write `shoal volume create --help`. */
function asFlag(argv: string[]): string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
}

export async function loadCommands(root: string, isSource: boolean): Promise<Config> {
  // Node strips the types by itself; oclif shall not look for a transpiler.
  settings.enableAutoTranspile = false
  const pjson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Interfaces.PJSON
  if (isSource) return loadCheckout(root, pjson)
  pjson.oclif.commands = { strategy: 'pattern', target: './commands' }
  return Config.load({ root: join(root, 'dist'), pjson })
}

function refuseUnknown(config: Config, argv: string[]): void {
  const words = argv.slice(0, argv.findIndex(word => word.startsWith('-')) >>> 0)
  if (words.length === 0) refuseLeadingFlag(argv)
  const ids = config.commandIDs
  const known = words.findIndex((_, index) => ids.includes(words.slice(0, index + 1).join(':')))
  if (known >= 0) refuseExtraWord(config, words, known + 1)
  if (words.length === 0 || known >= 0) return
  const topic = config.topics.find(one => one.name === words[0])
  if (topic && words.length === 1) return
  const typed = words.slice(0, topic ? 2 : 1).join(' ')
  const likely = likelyCommand(config, words, topic !== undefined)
  throw new ShoalError('usage', `there is no command "${typed}"`, {
    next: likely ? `did you mean: shoal ${likely}` : 'shoal --help lists them all',
  })
}

const flagsAlone = ['--help', '-h', '--version', '-v']

function refuseLeadingFlag([flag]: string[]): void {
  if (flag === undefined || flagsAlone.includes(flag)) return
  throw new ShoalError('usage', `${flag} stands before the command`, {
    next: `flags follow it, as in: shoal status ${flag.replace(/=.*/, '')}`,
  })
}

/** oclif would take the word for a part of the command's name. */
function refuseExtraWord(config: Config, words: string[], length: number): void {
  const command = config.findCommand(words.slice(0, length).join(':'))
  const extra = words[length]
  if (!command || extra === undefined || Object.keys(command.args ?? {}).length > 0) return
  throw new ShoalError('usage', `unexpected argument: ${extra}`, {
    why: `shoal ${words.slice(0, length).join(' ')} takes none`,
    next: 'add --help to see how the command is used',
  })
}

function likelyCommand(config: Config, words: string[], hasTopic: boolean): string | undefined {
  const visible = config.commands.filter(one => !one.hidden).map(one => one.id.replace(/:/g, ' '))
  if (hasTopic) return nearest(words.slice(0, 2).join(' '), visible)
  const first = nearest(words[0]!, [...new Set(visible.map(id => id.split(' ')[0]!))])
  const whole = `${first} ${words[1]}`
  return visible.includes(whole) ? whole : first
}
