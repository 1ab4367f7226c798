// How scrubs, checks and damage are shown to people.
import type { Reply } from '../api/contract.ts'
import { formatSize } from '../common/units.ts'

type Scrub = Reply<'volume.scrub'>
type Check = Reply<'disk.check'>
type Result = NonNullable<Check['result']>

export function scrubText(scrub: Scrub): string {
  const lines = scrub.disks.map(one => {
    const text = one.result ? resultText(one.result) : 'under way'
    return `disk ${one.disk} on ${one.peer}: ${text}`
  })
  const head = scrub.is_done ? `scrub ${scrub.id} is done` : `scrub ${scrub.id} is under way`
  return [head, ...lines].join('\n')
}

export function checkText(disk: number, check: Check): string {
  if (check.result) return `disk ${disk}: ${resultText(check.result)}`
  return `disk ${disk} is being checked; shoal event list tells what it found`
}

export function damageText(ranges: Reply<'volume.damage'>): string {
  if (ranges.length === 0) return 'no damage is known'
  const lines = ranges.map(
    one =>
      `bytes ${one.offset}..${one.offset + one.length}: no good copy (${formatSize(one.length)})`,
  )
  return lines.join('\n')
}

function resultText(result: Result): string {
  const parts = [`${result.blocks} blocks read, ${result.bad} bad`]
  if (result.bad > 0) parts.push(`${result.repaired} repaired`)
  if (result.lost > 0) parts.push(`${result.lost} lost: see shoal volume show --damage`)
  if (result.postponed > 0) parts.push(`${result.postponed} to be tried again`)
  if (result.metadata > 0) parts.push(`${result.metadata} places of metadata written anew`)
  return parts.join(', ')
}
