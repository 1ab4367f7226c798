// Prometheus text: what control counts, then what the data process counts.
import type { StatusView } from '../cluster/status.ts'
import type { ClusterPort } from '../data/cluster-port.ts'
import type { PeerState } from './peer-state.ts'

const healthValues = { ok: 0, warn: 1, error: 2 } as const

export async function controlMetrics(
  cluster: ClusterPort,
  peer: PeerState,
  version: string,
  status: () => Promise<StatusView>,
): Promise<string> {
  const lines = [
    '# HELP shoal_build_info Version of the control process.',
    '# TYPE shoal_build_info gauge',
    `shoal_build_info{version="${version}"} 1`,
    '# HELP shoal_control_connected Whether control is attached to its data process.',
    '# TYPE shoal_control_connected gauge',
    `shoal_control_connected ${peer.isConnected ? 1 : 0}`,
    '# HELP shoal_control_resident_bytes Memory of the control process.',
    '# TYPE shoal_control_resident_bytes gauge',
    `shoal_control_resident_bytes ${process.memoryUsage.rss()}`,
  ]
  // Metrics are wanted most when something is wrong: what cannot be read is left out.
  if (peer.isConnected && peer.peerId !== null) {
    const found = await status().catch(() => undefined)
    if (found) lines.push(...healthLines(found))
  }
  const data = await cluster.data.request('metrics.get', {}).catch(() => ({ text: '' }))
  return `${lines.join('\n')}\n${data.text}`
}

function healthLines(status: StatusView): string[] {
  return [
    '# HELP shoal_health_status Health of the cluster: 0 ok, 1 warn, 2 error.',
    '# TYPE shoal_health_status gauge',
    `shoal_health_status ${healthValues[status.health]}`,
    '# HELP shoal_health_detail One for each reason why the cluster is not healthy.',
    '# TYPE shoal_health_detail gauge',
    ...[...new Set(status.reasons.map(reason => reason.code))].map(
      code => `shoal_health_detail{code="${code}"} 1`,
    ),
  ]
}
