// `shoal status` for people.
import type { Reply } from '../api/contract.ts'
import { formatSize } from '../common/units.ts'
import { renderFields } from './output.ts'
import { durationText } from './placement-text.ts'

export function statusText(status: Reply<'status.show'>): string {
  const { cluster, capacity, volumes, disks } = status
  const away = status.peers.filter(peer => peer.state !== 'up')
  const up = status.peers.length - away.length
  const share = capacity.total > 0 ? Math.round((100 * capacity.used) / capacity.total) : 0
  const fields: [string, string][] = [
    ['cluster', `${cluster.name}  ${status.health.toUpperCase()}`],
    [
      'peers',
      [
        `${up} of ${status.peers.length} up`,
        ...away.map(peer => `${peer.name} ${peer.state}`),
      ].join('  '),
    ],
    ['disks', `${disks.in} of ${disks.total} in`],
    ['capacity', `${formatSize(capacity.used)} of ${formatSize(capacity.total)} used (${share} %)`],
    ['volumes', `${volumes.total} total, ${volumes.degraded} degraded, ${volumes.blocked} blocked`],
    ...taskFields(status.tasks),
  ]
  const reasons = status.reasons.map(
    reason => `${reason.code}: ${reason.message}\n  next: ${reason.next}`,
  )
  return [renderFields(fields), ...reasons].join('\n')
}

const tasksShownMax = 5

function taskFields(tasks: Reply<'status.show'>['tasks']): [string, string][] {
  const running = tasks.filter(task => ['running', 'paused'].includes(task.state))
  const shown = running.slice(0, tasksShownMax).map((task): [string, string] => {
    const share = task.total > 0 ? Math.floor((100 * task.done) / task.total) : 0
    const left = task.eta_seconds === null ? '' : `  ${durationText(task.eta_seconds)} left`
    return ['task', `${task.kind}  ${share} %${left}  ${task.message ?? task.id}`]
  })
  const hidden = running.length - shown.length
  return hidden > 0 ? [...shown, ['', `and ${hidden} more tasks`]] : shown
}
