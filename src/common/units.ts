// Sizes, as people write and read them. `GiB` and `G` are 2^30; `GB` is refused, because half of
// its readers mean 10^9.
import { ShoalError } from './errors.ts'

const prefixes = ['', 'K', 'M', 'G', 'T', 'P'] as const
const sizePattern = /^(\d+)(?:\.(\d{1,9}))?\s*([KMGTP]?)(iB|B|)$/i

/** Bytes of a size such as `10GiB`, `1.5T`, `4096` or `512B`; throws when it is not a whole number. */
export function parseSize(text: string): number {
  const match = sizePattern.exec(text.trim())
  if (!match) throw badSize(text, 'write a number and a unit, for example 10GiB')
  const [, whole = '', fraction = '', prefix = '', suffix = ''] = match
  const power = prefixes.indexOf(prefix.toUpperCase() as (typeof prefixes)[number])
  if (power > 0 && suffix.toUpperCase() === 'B') {
    const unit = `${prefix.toUpperCase()}iB`
    throw badSize(
      text,
      `${prefix.toUpperCase()}B is ambiguous; write ${text.replace(/[a-z]+$/i, unit)}`,
    )
  }
  if (power === 0 && suffix.toUpperCase() === 'IB')
    throw badSize(text, 'write KiB, MiB, GiB or TiB')
  const scale = 10n ** BigInt(fraction.length)
  const scaled = (BigInt(whole) * scale + BigInt(fraction || '0')) * 1024n ** BigInt(power)
  if (scaled % scale !== 0n) throw badSize(text, 'it is no whole number of bytes')
  const bytes = scaled / scale
  if (bytes > BigInt(Number.MAX_SAFE_INTEGER)) throw badSize(text, 'the largest size is 8PiB')
  return Number(bytes)
}

/** Shortest exact or three-digit form: 1 GiB is `1GiB`, 1.5 GiB is `1.5GiB`. */
export function formatSize(bytes: number): string {
  let power = 0
  let value = bytes
  while (value >= 1024 && power < prefixes.length - 1) {
    value /= 1024
    power++
  }
  if (power === 0) return `${bytes}B`
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${Number(value.toFixed(digits))}${prefixes[power]}iB`
}

function badSize(text: string, hint: string): ShoalError {
  return new ShoalError('usage', `"${text}" is not a size`, { next: hint })
}
