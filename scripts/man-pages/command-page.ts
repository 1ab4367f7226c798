// The page of one command, from what oclif knows of it.
import type { Command } from '@oclif/core'
import { exitCodeMeanings } from '../../src/common/exit-code.ts'
import { argument, display, escapeText, list, renderPage, section, sentences } from './mdoc.ts'

type Flag = Command.Flag.Cached
type Arg = Command.Arg.Cached

export function pageName(id: string): string {
  return `shoal-${id.replace(/:/g, '-')}`
}

export function commandPage(command: Command.Loadable, version: string): string {
  const words = command.id.replace(/:/g, ' ')
  const flags = Object.values(command.flags).filter(flag => !flag.hidden)
  const args = Object.values(command.args)
  return renderPage({
    title: pageName(command.id),
    section: 1,
    version,
    body: [
      ...section('NAME', [`.Nm ${pageName(command.id)}`, `.Nd ${nameLine(command.summary ?? '')}`]),
      ...section('SYNOPSIS', synopsis(words, flags, args)),
      ...section('DESCRIPTION', describe(command, flags, args)),
      ...section('ENVIRONMENT', environment(flags)),
      ...section('EXIT STATUS', exitStatus()),
      ...section('EXAMPLES', examples(command)),
      ...section('SEE ALSO', ['.Xr shoal 1 ,', '.Xr shoal.toml 5']),
    ],
  })
}

/** The first word in lower case, without a period, as apropos wants it. */
export function nameLine(summary: string): string {
  return escapeText(summary.charAt(0).toLowerCase() + summary.slice(1))
}

function synopsis(words: string, flags: Flag[], args: Arg[]): string[] {
  const required = flags.filter(flag => flag.required)
  const optional = flags.filter(flag => !flag.required)
  return [
    `.Nm ${argument(`shoal ${words}`)}`,
    ...optional.map(flag => `.Op ${flagMacro(flag)}`),
    ...required.map(flag => `.${flagMacro(flag)}`),
    ...args.map(arg => (arg.required ? `.Ar ${arg.name}` : `.Op Ar ${arg.name}`)),
  ]
}

function flagMacro(flag: Flag): string {
  const long = `Fl \\-${escapeText(flag.name)}`
  return flag.type === 'option' ? `${long} Ar ${valueName(flag)}` : long
}

function valueName(flag: Flag): string {
  if (flag.type !== 'option') return ''
  return escapeText(flag.helpValue ? [flag.helpValue].flat()[0]! : 'value')
}

function describe(command: Command.Loadable, flags: Flag[], args: Arg[]): string[] {
  const intro = sentences(`${command.summary}.`)
  const more = command.description ? sentences(command.description) : []
  const described = [
    ...args.map(arg => ({ tag: `Ar ${arg.name}`, text: sentences(sentence(arg.description)) })),
    ...flags.map(flag => ({ tag: flagTag(flag), text: flagText(flag) })),
  ]
  return [...intro, ...more, ...list(described)]
}

function flagTag(flag: Flag): string {
  const short = flag.char ? `Fl ${flag.char} , ` : ''
  return short + flagMacro(flag)
}

function flagText(flag: Flag): string[] {
  const lines = sentences(sentence(flag.summary ?? flag.description))
  if (flag.type !== 'option') return lines
  if (flag.options) lines.push(...sentences(`One of ${flag.options.join(', ')}.`))
  if (typeof flag.default === 'string' || typeof flag.default === 'number')
    lines.push(...sentences(`Default: ${flag.default}.`))
  return lines
}

function sentence(text: string | undefined): string {
  const clean = (text ?? '').trim().replace(/\.$/, '')
  return `${clean.charAt(0).toUpperCase()}${clean.slice(1)}.`
}

function environment(flags: Flag[]): string[] {
  const named = flags.filter(flag => flag.env)
  return list(
    named.map(flag => ({
      tag: `Ev ${flag.env}`,
      text: ['Used when', `.Fl \\-${escapeText(flag.name)}`, 'is not given.'],
    })),
  )
}

function exitStatus(): string[] {
  return list(
    Object.entries(exitCodeMeanings).map(([code, meaning]) => ({
      tag: code,
      text: sentences(meaning),
    })),
  )
}

function examples(command: Command.Loadable): string[] {
  const lines = [command.examples ?? []]
    .flat()
    .map(example => (typeof example === 'string' ? example : example.command))
    .map(example => example.replace(/<%= config\.bin %>/g, 'shoal'))
  return lines.length === 0 ? [] : display(lines)
}
