// Every route of the API by name: method and path. Server and client share this list; what goes in
// and comes out is defined beside the handler in routes/.

export const endpoints = {
  'cluster.init': 'POST /v1/cluster/init',
  'cluster.join': 'POST /v1/cluster/join',
  'cluster.token': 'POST /v1/cluster/token',
  'cluster.show': 'GET /v1/cluster',
  'cluster.map': 'GET /v1/cluster/map',
  'cluster.tree': 'GET /v1/cluster/tree',
  'cluster.set': 'POST /v1/cluster/settings',
  'peer.list': 'GET /v1/peers',
  'peer.show': 'GET /v1/peers/:name',
  'peer.remove': 'DELETE /v1/peers/:name',
  'peer.maintenance': 'POST /v1/peers/:name/maintenance',
  'peer.ok_to_stop': 'GET /v1/peers/:name/ok-to-stop',
  'disk.scan': 'GET /v1/disks/candidates',
  'disk.list': 'GET /v1/disks',
  'disk.show': 'GET /v1/disks/:id',
  'disk.add': 'POST /v1/disks',
  'disk.check': 'POST /v1/disks/:id/check',
  'disk.checked': 'GET /v1/disks/:id/check',
  'disk.remove': 'DELETE /v1/disks/:id',
  'disk.safe_to_remove': 'GET /v1/disks/:id/safe-to-remove',
  'policy.list': 'GET /v1/policies',
  'policy.show': 'GET /v1/policies/:name',
  'policy.create': 'POST /v1/policies',
  'policy.delete': 'DELETE /v1/policies/:name',
  'placement.plan': 'POST /v1/placement/plan',
  'placement.change': 'POST /v1/placement/changes',
  'volume.list': 'GET /v1/volumes',
  'volume.show': 'GET /v1/volumes/:name',
  'volume.layout': 'GET /v1/volumes/:name/layout',
  'volume.create': 'POST /v1/volumes',
  'volume.resize': 'POST /v1/volumes/:name/resize',
  'volume.rename': 'POST /v1/volumes/:name/rename',
  'volume.scrub': 'POST /v1/volumes/:name/scrub',
  'volume.scrubbed': 'GET /v1/volumes/:name/scrub',
  'volume.damage': 'GET /v1/volumes/:name/damage',
  'volume.delete': 'DELETE /v1/volumes/:name',
  'device.list': 'GET /v1/devices',
  'device.attach': 'POST /v1/devices',
  'device.detach': 'DELETE /v1/devices/:volume',
  'export.list': 'GET /v1/exports',
  'export.create': 'POST /v1/exports',
  'export.delete': 'DELETE /v1/exports/:id',
  'status.show': 'GET /v1/status',
  'task.list': 'GET /v1/tasks',
  'task.show': 'GET /v1/tasks/:id',
  'task.pause': 'POST /v1/tasks/:id/pause',
  'task.resume': 'POST /v1/tasks/:id/resume',
  'task.limits': 'GET /v1/tasks/:id/limits',
  'task.set': 'POST /v1/tasks/:id/limits',
  'event.list': 'GET /v1/events/recent',
  'slow.list': 'GET /v1/slow',
  'version.show': 'GET /v1/version',
} as const satisfies Record<string, `${'GET' | 'POST' | 'DELETE'} /v1/${string}`>

export type EndpointName = keyof typeof endpoints

export function endpoint(name: EndpointName): { method: 'GET' | 'POST' | 'DELETE'; path: string } {
  const [method, path] = endpoints[name].split(' ')
  return { method: method as 'GET' | 'POST' | 'DELETE', path: path! }
}
