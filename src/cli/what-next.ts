// An error that comes from deep below may not know what helps; its kind always does.
import type { ErrorCode } from '../common/errors.ts'

const usage = 'add --help to see how the command is used'
const look = 'shoal status shows how the cluster is'

export const whatNext: Record<ErrorCode, string> = {
  usage,
  bad_request: usage,
  confirmation_required: usage,
  config_invalid: 'see shoal.toml(5) for all settings',
  not_found: 'the list command of its kind names what there is, for example: shoal volume list',
  denied: 'run it as root, or as a member of the group that api.group names in shoal.toml',
  refused: look,
  exists: 'choose another name',
  conflict: look,
  busy: 'wait for what uses it to end, then repeat',
  no_cluster: 'found one: shoal cluster init; or join one: shoal cluster join TOKEN',
  would_lose_data: look,
  unreachable: 'see whether the daemon runs: shoal doctor',
  unavailable: 'shoal status says who is missing; then repeat',
  not_leader: 'shoal status says who is missing; then repeat',
  timeout: 'look how it goes on: shoal status, shoal task list',
  no_space: 'add disks or delete volumes: shoal disk add, shoal volume delete',
  unsupported: 'shoal doctor says what this machine lacks',
  io: "shoal doctor looks for causes; the daemon's log has more",
  internal: "see the daemon's log, and report it",
}
