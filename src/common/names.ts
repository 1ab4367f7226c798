// Names that users choose: of volumes, policies, peers, clusters. One rule for all.
import { ShoalError } from './errors.ts'

export const namePattern = '^[a-z0-9][a-z0-9._-]{0,62}$'
const nameRule = new RegExp(namePattern)

export function isName(text: string): boolean {
  return nameRule.test(text)
}

export function checkName(kind: string, text: string): string {
  if (isName(text)) return text
  throw new ShoalError('usage', `"${text}" cannot be the name of a ${kind}`, {
    why: 'a name has 1 to 63 of the characters a-z 0-9 . _ - and begins with a letter or digit',
    next: suggestion(text),
  })
}

function suggestion(text: string): string | null {
  const repaired = text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 63)
  return isName(repaired) ? `try ${repaired}` : null
}
