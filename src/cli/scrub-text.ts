// How scrubs, checks and damage are shown to people.
import type { Reply } from '../api/contract.ts'
import { formatSize } from '../common/units.ts'
import { durationText } from './placement-text.ts'

type Scrub = Reply<'volume.scrub'>
type Check = Reply<'disk.check'>
type Result = NonNullable<Check['result']>

const blockBytes = 4096

export function scrubText(scrub: Scrub): string {
  const lines = scrub.disks.map(one => {
    const text = one.result ? resultText(one.result) : one.is_away ? 'away' : runningText(one)
    return `disk ${one.disk} on ${one.peer}: ${text}`
  })
  const head = scrub.is_done ? `scrub ${scrub.id} is done` : `scrub ${scrub.id} is under way`
  return [head, ...lines].join('\n')
}

function runningText({ running }: Scrub['disks'][number]): string {
  if (!running) return 'under way'
  const { done, total, eta_s } = running
  const left = eta_s === null ? '' : `, ${durationText(eta_s)} left`
  return `under way, ${formatSize(done)} of ${formatSize(total)} read${left}`
}

/** Bytes of all disks that told; null as long as one of those that are there did not. */
export function scrubProgress(scrub: Scrub): { done: number; total: number } | null {
  const sum = { done: 0, total: 0 }
  for (const { result, running, is_away } of scrub.disks) {
    if (is_away && !result) continue
    if (!result && !running) return null
    sum.done += result ? result.blocks * blockBytes : running!.done
    sum.total += result ? result.blocks * blockBytes : running!.total
  }
  return sum
}

/** Nobody else reads a disk that is away: the scrub goes on when it is back. */
export function waitText(scrub: Scrub): string {
  const away = scrub.disks.filter(one => one.result === null && one.is_away)
  if (away.length === 0) return ''
  return `waiting for ${away.map(one => `disk ${one.disk} on ${one.peer}`).join(', ')}, away now`
}

export function checkText(disk: number, check: Check): string {
  if (check.result) return `disk ${disk}: ${resultText(check.result)}`
  return `disk ${disk} is being checked; shoal event list tells what it found`
}

/** `scrub`: the newest one. A scrub names only so many blocks, and the cluster keeps only so many events. */
export function damageText(ranges: Reply<'volume.damage'>, scrub: Scrub | null): string {
  const lines = ranges.map(
    one =>
      `bytes ${one.offset}..${one.offset + one.length}: no good copy (${formatSize(one.length)})`,
  )
  const named = ranges.reduce((sum, one) => sum + one.length / blockBytes, 0)
  const lost = Math.max(0, ...(scrub?.disks ?? []).map(one => one.result?.lost ?? 0))
  if (lost > named)
    lines.push(
      `the newest scrub found ${lost} lost blocks, ${lost - named} more than are named here`,
    )
  if (lines.length === 0) lines.push('no damage is known')
  return [...lines, lookedText(scrub)].join('\n')
}

function lookedText(scrub: Scrub | null): string {
  if (!scrub) return 'no scrub is on record: shoal volume scrub --wait reads all copies'
  if (scrub.is_done) return `all copies were read by scrub ${scrub.id} of ${scrub.asked_at}`
  return `scrub ${scrub.id} of ${scrub.asked_at} is not done`
}

function resultText(result: Result): string {
  const parts = [`${result.blocks} blocks read, ${result.bad} bad`]
  if (result.bad > 0) parts.push(`${result.repaired} repaired`)
  if (result.lost > 0) parts.push(`${result.lost} lost: see shoal volume show --damage`)
  if (result.postponed > 0) parts.push(`${result.postponed} to be tried again`)
  if (result.metadata > 0) parts.push(`${result.metadata} places of metadata written anew`)
  return parts.join(', ')
}
