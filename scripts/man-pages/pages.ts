// All pages: one per command, the overview, and the settings.
import type { Command } from '@oclif/core'
import { loadCommands } from '../../src/cli/main.ts'
import { type ConfigKey, configKeys } from '../../src/common/config-keys.ts'
import { exitCodeMeanings } from '../../src/common/exit-code.ts'
import { commandPage, nameLine, pageName } from './command-page.ts'
import { argument, display, list, renderPage, section, sentences } from './mdoc.ts'

export async function manPages(root: string): Promise<Map<string, string>> {
  const config = await loadCommands(root, true)
  const visible = config.commands.filter(command => !command.hidden)
  const pages = new Map<string, string>()
  pages.set('shoal.1', overview(visible, config.version))
  pages.set('shoal.toml.5', settings(config.version))
  for (const command of visible)
    pages.set(`${pageName(command.id)}.1`, commandPage(command, config.version))
  return pages
}

function overview(commands: Command.Loadable[], version: string): string {
  const items = commands.map(command => ({
    tag: `Xr ${pageName(command.id)} 1`,
    text: sentences(`${command.summary}.`),
  }))
  const codes = Object.entries(exitCodeMeanings).map(([code, meaning]) => ({
    tag: code,
    text: sentences(meaning),
  }))
  return renderPage({
    title: 'shoal',
    section: 1,
    version,
    body: [
      ...section('NAME', [
        '.Nm shoal',
        `.Nd ${nameLine('Replicated block storage from the disks of ordinary Linux servers')}`,
      ]),
      ...section('SYNOPSIS', ['.Nm shoal', '.Ar command', '.Op Ar argument ...']),
      ...section('DESCRIPTION', [
        ...sentences(
          'Shoal turns the disks of ordinary Linux servers into one pool of replicated block ' +
            'storage. One program runs on every peer. A volume appears as a local block device, ' +
            '/dev/shoal/NAME, on any peer that attaches it, and through NBD.',
        ),
        '.Pp',
        ...sentences(
          'Results go to the standard output, everything else to the standard error. Every ' +
            'command takes --json. The commands are:',
        ),
        ...list(items),
      ]),
      ...section('ENVIRONMENT', [
        ...list([
          {
            tag: 'Ev SHOAL_SERVER',
            text: sentences('The daemon that commands talk to, as unix:PATH.'),
          },
        ]),
      ]),
      ...section('EXIT STATUS', list(codes)),
      ...section('EXAMPLES', display(['shoal demo up', 'shoal status'])),
      ...section('SEE ALSO', ['.Xr shoal.toml 5']),
    ],
  })
}

function settings(version: string): string {
  const items = Object.entries(configKeys).map(([name, key]) => ({
    tag: `Cm ${argument(name)}`,
    text: [...sentences(key.doc), ...sentences(valueText(key))],
  }))
  return renderPage({
    title: 'shoal.toml',
    section: 5,
    version,
    body: [
      ...section('NAME', ['.Nm shoal.toml', `.Nd ${nameLine('Settings of a peer')}`]),
      ...section('DESCRIPTION', [
        ...sentences(
          'The file shoal.toml in the directory of a peer is read once, when its daemon starts. ' +
            'A key written here as a.b stands in the table [a] as b. Unknown keys are refused.',
        ),
        '.Pp',
        ...sentences(
          'A variable of the environment overrides the file: SHOAL_A_B for the key a.b. A flag ' +
            'of the command overrides both.',
        ),
        ...list(items),
      ]),
      ...section(
        'EXAMPLES',
        display(['[peer]', 'name = "p1"', 'rack = "r1"', '[data]', 'memory = "2GiB"']),
      ),
      ...section('SEE ALSO', ['.Xr shoal\\-daemon\\-run 1']),
    ],
  })
}

function valueText(key: ConfigKey): string {
  const shown = key.default === null || key.default === '' ? undefined : String(key.default)
  const isRange = key.kind === 'size' || key.kind === 'duration' || key.kind === 'count'
  const range = isRange ? `From ${key.min} to ${key.max}.` : ''
  const choice = key.kind === 'choice' ? `One of ${key.choices.join(', ')}.` : ''
  return [choice, range, shown ? `Default: ${shown}.` : ''].filter(text => text !== '').join(' ')
}
