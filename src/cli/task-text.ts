// Tasks for people.
import type { Reply } from '../api/contract.ts'
import type { Column } from '../common/table.ts'
import { formatSize } from '../common/units.ts'
import { renderFields } from './output.ts'
import { durationText } from './placement-text.ts'

export type Task = Reply<'task.show'>
export type Limits = Reply<'task.limits'>

export const taskColumns: Column<Task>[] = [
  { header: 'id', value: row => row.id },
  { header: 'kind', value: row => row.kind },
  { header: 'state', value: row => row.state },
  { header: 'done', value: doneText, align: 'right' },
  { header: 'left', value: leftText, align: 'right' },
  { header: 'message', value: row => row.message ?? '' },
]

export function taskText(task: Task, limits: Limits | null): string {
  const fields: [string, string][] = [
    ['id', task.id],
    ['kind', task.kind],
    ['state', task.state],
    ['done', `${doneText(task)} of ${amount(task.total, task.unit)}`],
    ['rate', task.rate === null ? '-' : `${amount(task.rate, task.unit)}/s`],
    ['left', leftText(task)],
    ['message', task.message ?? '-'],
  ]
  if (limits) fields.push(['limits', limitsText(limits)])
  return renderFields(fields)
}

export function limitsText(limits: Limits): string {
  const { per_disk, per_peer, total, disk_rate, peer_rate } = limits
  const counts = `${per_disk} members per disk, ${per_peer} per peer, ${total} in all`
  const rates = [rateText('disk', disk_rate), rateText('peer', peer_rate)].filter(one => one !== '')
  return [counts, ...rates].join('; ')
}

function rateText(what: string, rate: number): string {
  return rate === 0 ? '' : `${formatSize(rate)}/s per ${what}`
}

function doneText(task: Task): string {
  return amount(task.done, task.unit)
}

function leftText(task: Task): string {
  return task.eta_seconds === null ? '-' : durationText(task.eta_seconds)
}

function amount(value: number, unit: string): string {
  return unit === 'bytes' ? formatSize(Math.round(value)) : String(Math.round(value))
}
