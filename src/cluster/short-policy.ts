// Nobody gets fewer copies than were asked for without saying so.
import { ShoalError } from '../common/errors.ts'
import type { Id, PlanWarning } from '../placement/index.ts'

/** Refuses what would leave the groups of a policy short of members, by the name placement has for it. */
export function refuseShort(warnings: readonly PlanWarning[], policy: Id, name: string): void {
  const short = warnings.find(
    ({ code, subject }) =>
      subject === policy && (code === 'short_pgs' || code === 'no_eligible_disk'),
  )
  if (short === undefined) return
  throw new ShoalError('bad_request', `policy ${name}: ${short.message}`, {
    why: `placement refuses it: ${short.code}`,
    next: 'add disks on more peers, racks or zones, ask for fewer copies, or add --allow-short',
    data: { placement_code: short.code },
  })
}
