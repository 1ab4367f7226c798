// How things are shown to people: the columns of lists and the fields of single things.
import type { Reply } from '../api/contract.ts'
import { type Column, renderTable } from '../common/table.ts'
import { renderFields, sizeText } from './output.ts'

export type Volume = Reply<'volume.show'>
export type Disk = Reply<'disk.show'>
export type Peer = Reply<'peer.show'>
export type Policy = Reply<'policy.show'>
export type Device = Reply<'device.attach'>
export type Export = Reply<'export.create'>

export function volumeColumns(isExact: boolean): Column<Volume>[] {
  return [
    { header: 'name', value: row => row.name },
    { header: 'size', value: row => sizeText(row.size, isExact), align: 'right' },
    { header: 'policy', value: row => row.policy },
    { header: 'state', value: row => row.state },
    { header: 'attached', value: row => row.attached?.peer ?? '-' },
    { header: 'exports', value: row => String(row.exports.length), align: 'right' },
    { header: 'block', value: row => String(row.block_size), align: 'right', isWide: true },
    { header: 'created', value: row => row.created_at, isWide: true },
  ]
}

export function volumeText(volume: Volume): string {
  const { attached } = volume
  return renderFields([
    ['name', volume.name],
    ['size', sizeText(volume.size, false)],
    ['used', sizeText(volume.used, false)],
    ['policy', volume.policy],
    ['state', volume.state],
    ['block size', String(volume.block_size)],
    [
      'attached',
      attached && `${attached.peer} (${attached.via}${attached.read_only ? ', read-only' : ''})`,
    ],
    ...(volume.fenced.length > 0
      ? [['fenced', `${volume.fenced.join(', ')}: there, shoal detach ${volume.name}`] as const]
      : []),
    ...volume.exports.map(one => [`export ${one.id}`, `${one.peer}  ${one.uri}`] as const),
    ['created', volume.created_at],
  ])
}

/** What rests on a disk or peer, before it is taken away. */
export function lossText(from: { groups: number; only_copies: number }): string {
  if (from.groups === 0) return 'there is no data on it'
  const copies = `it holds copies of ${from.groups} placement groups`
  if (from.only_copies === 0) return `${copies}, all of which have others that are in sync`
  return `${copies}, of ${from.only_copies} of them the only one that is in sync`
}

export function diskColumns(isExact: boolean): Column<Disk>[] {
  return [
    { header: 'id', value: row => String(row.id), align: 'right' },
    { header: 'peer', value: row => row.peer },
    { header: 'path', value: row => row.path },
    { header: 'size', value: row => sizeText(row.size, isExact), align: 'right' },
    { header: 'used', value: row => sizeText(row.used, isExact), align: 'right' },
    { header: 'class', value: row => row.class },
    { header: 'state', value: row => row.state },
    { header: 'weight', value: row => String(row.weight), align: 'right', isWide: true },
    { header: 'write us', value: row => String(row.write_us ?? '-'), align: 'right', isWide: true },
  ]
}

type Layout = Reply<'volume.layout'>

export function layoutText(layout: Layout): string {
  const share = (extents: number) =>
    `${((100 * extents) / Math.max(1, layout.extents)).toFixed(1)}%`
  const table = renderTable(layout.disks, [
    { header: 'disk', value: row => String(row.disk), align: 'right' },
    { header: 'peer', value: row => row.peer },
    { header: 'rack', value: row => row.rack },
    { header: 'zone', value: row => row.zone },
    { header: 'extents', value: row => String(row.extents), align: 'right' },
    { header: 'share', value: row => share(row.extents), align: 'right' },
    { header: 'read first', value: row => String(row.first), align: 'right' },
  ])
  const size = sizeText(layout.extent_bytes, false)
  const groups = `${layout.extents} extents of ${size} in ${layout.groups.length} placement groups`
  return `${groups} of policy ${layout.policy}\n${table}`
}

export function diskText(disk: Disk): string {
  return renderFields([
    ['id', String(disk.id)],
    ['peer', disk.peer],
    ['path', disk.path],
    ['size', sizeText(disk.size, false)],
    ['used', sizeText(disk.used, false)],
    ['class', disk.class],
    ['weight', String(disk.weight)],
    ['labels', disk.labels.join(', ')],
    ['reserve', sizeText(disk.reserve, false)],
    ['fill factor', disk.fill_factor.toFixed(2)],
    ['state', disk.state],
    ...(disk.reason ? [['reason', disk.reason] as const] : []),
    ['write time', disk.write_us === null ? null : `${disk.write_us} us`],
    ['groups', String(disk.groups)],
    ['only copies', String(disk.only_copies)],
    ...Object.entries(disk.stats ?? {}).map(([key, value]) => [key, String(value)] as const),
  ])
}

export const peerColumns: Column<Peer>[] = [
  { header: 'name', value: row => row.name },
  { header: 'id', value: row => String(row.id), align: 'right' },
  { header: 'state', value: row => row.state },
  { header: 'role', value: peerRole },
  { header: 'disks', value: row => String(row.disks), align: 'right' },
  { header: 'rack', value: row => row.rack, isWide: true },
  { header: 'zone', value: row => row.zone, isWide: true },
  { header: 'addresses', value: row => row.addresses.join(','), isWide: true },
]

export function peerRole(peer: Peer): string {
  if (peer.is_leader) return 'leader'
  return peer.is_voter ? 'voter' : '-'
}

export function peerText(peer: Peer): string {
  return renderFields([
    ['name', peer.name],
    ['id', String(peer.id)],
    ['state', peer.state],
    ['maintenance', peer.maintenance_until && `until ${peer.maintenance_until}`],
    ['role', peerRole(peer)],
    ['disks', String(peer.disks)],
    ['groups', String(peer.groups)],
    ['only copies', String(peer.only_copies)],
    ['rack', peer.rack],
    ['zone', peer.zone],
    ['addresses', peer.addresses.join(', ')],
    ['key', peer.public_key],
    ['joined', peer.joined_at],
  ])
}

export const policyColumns: Column<Policy>[] = [
  { header: 'name', value: row => row.name },
  { header: 'copies', value: row => String(row.copies), align: 'right' },
  { header: 'min', value: row => String(row.min_in_sync), align: 'right' },
  { header: 'domain', value: row => row.failure_domain },
  { header: 'class', value: row => row.class ?? 'any' },
  { header: 'volumes', value: row => String(row.volumes), align: 'right' },
  { header: 'state', value: row => row.state },
  { header: 'pgs', value: row => String(row.pg_count), align: 'right', isWide: true },
]

export function policyText(policy: Policy): string {
  return renderFields([
    ['name', policy.name],
    ['copies', String(policy.copies)],
    ['min in sync', String(policy.min_in_sync)],
    ['reads', policy.reads],
    ['domain', policy.failure_domain],
    ['class', policy.class ?? 'any'],
    ['max per', boundsText(policy.max_per)],
    ['labels', policy.labels.join(', ')],
    ['localize', policy.localize],
    ['groups', groupsText(policy)],
    ['extent', sizeText(policy.blocks_per_extent * 4096, false)],
    ['volumes', String(policy.volumes)],
    ['state', policy.state],
  ])
}

function groupsText({ pg_count, pg_count_wanted, follows_disks }: Policy): string {
  if (follows_disks) return `${pg_count} (more by themselves, with more disks)`
  if (pg_count_wanted <= pg_count) return `${pg_count} (fixed)`
  return `${pg_count} (fixed; ${pg_count_wanted} would suit its disks)`
}

function boundsText(bounds: Policy['max_per']): string {
  return Object.entries(bounds)
    .map(([domain, count]) => `${domain}=${count}`)
    .join(', ')
}

export const deviceColumns: Column<Device>[] = [
  { header: 'volume', value: row => row.volume },
  { header: 'device', value: row => row.device },
  { header: 'kind', value: row => row.kind },
  { header: 'state', value: row => row.state },
  { header: 'clients', value: row => String(row.clients), align: 'right' },
  { header: 'reason', value: row => row.reason ?? '' },
  { header: 'path', value: row => row.path, isWide: true },
]

export const exportColumns: Column<Export>[] = [
  { header: 'id', value: row => String(row.id), align: 'right' },
  { header: 'volume', value: row => row.volume },
  { header: 'peer', value: row => row.peer },
  { header: 'kind', value: row => row.kind },
  { header: 'uri', value: row => row.uri },
]
