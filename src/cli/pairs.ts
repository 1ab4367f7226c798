// Lists that people write in one word: `a,b` and `rack=r1,zone=z1`.
import { ShoalError } from '../common/errors.ts'

export function parseNames(text: string): string[] {
  return text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
}

/** Each of the keys at most once; an empty value is a value. */
export function parsePairs(text: string, keys: readonly string[]): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const word of parseNames(text)) {
    const split = word.indexOf('=')
    const key = word.slice(0, split)
    if (split < 0 || !keys.includes(key) || pairs.has(key)) throw badPairs(text, keys)
    pairs.set(key, word.slice(split + 1))
  }
  if (pairs.size === 0) throw badPairs(text, keys)
  return pairs
}

function badPairs(text: string, keys: readonly string[]): ShoalError {
  return new ShoalError('usage', `"${text}" is not understood`, {
    next: `write ${keys.map(key => `${key}=VALUE`).join(',')}, each at most once`,
  })
}
