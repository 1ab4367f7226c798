// A plan of the placement for people: what moves, from where to where, for how long, how even it
// is, and what may fail then.
import { renderTable } from '../common/table.ts'
import { formatSize } from '../common/units.ts'
import type { CapacityOutput, PolicyOutput, Spread } from '../placement/index.ts'
import { renderFields } from './output.ts'

/** Pairs of peers, and disks, that are shown; `--json` has them all. */
const movesShownMax = 20

export function planText(plan: CapacityOutput): string {
  const parts = [summaryText(plan), policiesText(plan.policies)]
  if (plan.moves.length > 0) parts.push(movesText(plan))
  return [...parts, ...warningTexts(plan)].join('\n\n')
}

export function warningTexts(plan: Pick<CapacityOutput, 'warnings'>): string[] {
  return plan.warnings.map(one => `warning: ${one.subject}: ${one.message}`)
}

function summaryText(plan: CapacityOutput): string {
  const fields: [string, string][] = [
    ['moves', `${plan.moved} members (at least ${plan.lower_bound} have to)`],
    ['data', formatSize(plan.moved_bytes)],
    ['time', durationText(plan.seconds)],
    ['off now', plan.spread_before === null ? '-' : spreadText(plan.spread_before)],
    ['off then', spreadText(plan.spread)],
  ]
  return renderFields(fields)
}

/** How far the furthest disk, peer, rack and zone is from its share, in members. */
function spreadText(spread: Spread): string {
  const names = ['disk', 'peer', 'rack', 'zone'] as const
  return names.map(name => `${name} ${spread[name].toFixed(2)}`).join('  ')
}

function policiesText(policies: readonly PolicyOutput[]): string {
  return renderTable(policies, [
    { header: 'policy', value: row => String(row.name) },
    { header: 'groups', value: row => String(row.pgs), align: 'right' },
    { header: 'members', value: row => String(row.members_per_pg), align: 'right' },
    { header: 'may fail at once', value: toleranceText },
  ])
}

/** "2 disks, or 2 peers, or 1 rack": whichever they are, no data is lost. */
function toleranceText({ tolerates }: PolicyOutput): string {
  const names = ['disk', 'peer', 'rack', 'zone'] as const
  const parts = names
    .filter(name => tolerates[name] > 0)
    .map(name => `${tolerates[name]} ${name}${tolerates[name] === 1 ? '' : 's'}`)
  return parts.length === 0 ? 'nothing' : parts.join(', or ')
}

function movesText(plan: CapacityOutput): string {
  const shown = plan.moves.slice(0, movesShownMax)
  const table = renderTable(shown, [
    { header: 'from peer', value: row => (row.from === null ? '(made anew)' : String(row.from)) },
    { header: 'to peer', value: row => String(row.to) },
    { header: 'members', value: row => String(row.members), align: 'right' },
  ])
  const hidden = plan.moves.length - shown.length
  return hidden > 0 ? `${table}\nand ${hidden} more pairs of peers: --json` : table
}

/** Two units at most: "2d 3h", "4h 10m", "25s". */
export function durationText(seconds: number): string {
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ]
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first < 0) return '0s'
  let left = Math.ceil(seconds)
  const parts: string[] = []
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) parts.push(`${count}${name}`)
  }
  return parts.join(' ')
}
