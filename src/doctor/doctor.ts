// Looks at the machine, at the peer, and at the cluster as the peer sees it.
import { statSync } from 'node:fs'
import type { ClusterPort } from '../data/cluster-port.ts'
import { type Check, found, ok, ranked } from './check.ts'
import { clusterChecks } from './cluster-checks.ts'
import { type Machine, readMachine } from './machine.ts'
import { machineChecks } from './machine-checks.ts'

export interface DoctorInit {
  cluster: ClusterPort
  dir: string
  selfId: () => number | null
  versions: () => { control: string; data: string | null }
  status: () => Promise<{ health: Check['result']; reasons: readonly unknown[] }>
}

export async function examine(init: DoctorInit): Promise<Check[]> {
  const machine = readMachine(init.dir)
  const checks = [...machineChecks(machine), version(init)]
  const self = init.selfId()
  if (self === null) {
    const next = 'shoal cluster init, or shoal cluster join TOKEN'
    checks.push(found('note', 'cluster', 'this peer is in no cluster', next))
    return ranked(checks)
  }
  return ranked([...checks, ...(await clusterSide(init, machine, self))])
}

/** Without a daemon that answers: the machine alone. */
export function examineMachine(dir: string): Check[] {
  const next = 'shoal daemon run, or the service of your system'
  const daemon = found('error', 'daemon', 'no daemon answers here', next)
  return ranked([daemon, ...machineChecks(readMachine(dir))])
}

async function clusterSide(init: DoctorInit, machine: Machine, self: number): Promise<Check[]> {
  const [state, data, disks, status] = await Promise.all([
    init.cluster.state(),
    init.cluster.data.request('status.get', {}),
    init.cluster.data.request('disk.list', {}),
    init.status(),
  ])
  const files = new Map<number, number>()
  const openFiles: string[] = []
  for (const disk of disks) {
    const file = statSync(disk.path, { throwIfNoEntry: false })
    if (!file?.isFile()) continue
    files.set(disk.disk_id, file.dev)
    if ((file.mode & 0o077) !== 0) openFiles.push(disk.path)
  }
  const facts = {
    ...{ state, self, files, openFiles },
    hypervisor: machine.hypervisor,
    memoryBytes: data.budget.bytes ?? 0,
    // A data process of the version before does not say.
    memoryWantedBytes: data.budget.wanted_bytes ?? 0,
  }
  return [health(status), ...clusterChecks(facts)]
}

function version({ versions }: DoctorInit): Check {
  const { control, data } = versions()
  if (data === control) return ok('version', control)
  const message = `the daemon is ${control}, its data process ${data ?? 'does not answer'}`
  return found('warn', 'version', message, 'restart the daemon, one peer after the other')
}

function health(status: { health: Check['result']; reasons: readonly unknown[] }): Check {
  if (status.health === 'ok') return ok('cluster', 'well')
  const count = status.reasons.length
  const message = `${count} thing${count === 1 ? ' is' : 's are'} not as ${count === 1 ? 'it' : 'they'} should be`
  return found(status.health, 'cluster', message, 'shoal status')
}
