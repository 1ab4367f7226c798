// The mdoc(7) language, as far as our pages need it.

export interface Page {
  title: string
  section: number
  version: string
  body: string[]
}

/** Of the manual, not of the build: equal sources give equal pages. */
const date = 'November 21, 2026'

export function renderPage(page: Page): string {
  const head = [
    '.\\" Generated from the commands by scripts/man; do not edit.',
    `.Dd ${date}`,
    `.Dt ${page.title.toUpperCase()} ${page.section}`,
    `.Os Shoal ${page.version}`,
  ]
  return `${[...head, ...page.body].join('\n')}\n`
}

/** Plain text as it stands: what roff would take for a command loses its meaning. */
export function escapeText(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/^([.'])/gm, '\\&$1')
    .replace(/-/g, '\\-')
}

/** An argument of a macro: blanks and names of macros must not be taken apart. */
export function argument(text: string): string {
  return `"${escapeText(text).replace(/"/g, '""')}"`
}

/** A sentence to a line, so that roff sets the space between them. */
export function sentences(text: string): string[] {
  return escapeText(text)
    .replace(/([.!?]) (?=[A-Z])/g, '$1\n')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}

export function section(name: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : [`.Sh ${name}`, ...lines]
}

export function list(items: { tag: string; text: string[] }[]): string[] {
  if (items.length === 0) return []
  return ['.Bl -tag -width Ds', ...items.flatMap(item => [`.It ${item.tag}`, ...item.text]), '.El']
}

export function display(lines: string[]): string[] {
  return ['.Bd -literal -offset indent', ...lines.map(escapeText), '.Ed']
}
