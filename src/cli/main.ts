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
  const argv = process.argv.slice(2)
  process.once('SIGINT', () => process.exit(exitCode.interrupted))
  try {
    const config = await loadCommands(root, isSource)
    refuseUnknown(config, argv)
    await run(argv, config)
  } catch (thrown) {
    process.exitCode = reportError(thrown, wantsJson(argv))
  }
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
  if (words.length === 0 || words[0] === 'help') return
  const ids = config.commandIDs
  const isKnown = words.some((_, index) => {
    const id = words.slice(0, index + 1).join(':')
    return ids.includes(id)
  })
  const topic = config.topics.find(one => one.name === words[0])
  if (isKnown || (topic && words.length === 1)) return
  const visible = config.commands.filter(one => !one.hidden).map(one => one.id.replace(/:/g, ' '))
  const first = [...new Set(visible.map(id => id.split(' ')[0]!))]
  const typed = words.slice(0, topic ? 2 : 1).join(' ')
  const likely = nearest(typed, topic ? visible : first)
  throw new ShoalError('usage', `there is no command "${typed}"`, {
    next: likely ? `did you mean: shoal ${likely}` : 'shoal --help lists them all',
  })
}
