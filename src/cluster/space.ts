// Disks that take no new data.
import type { LocalDisk } from '../data/protocol.ts'
import type { ClusterState, DiskRecord } from '../data/state.ts'
import type { Finding } from './status.ts'

/** What a disk has no room for: new data, or even its own tables. */
export type Fullness = 'no' | 'data' | 'tables'

export function fullnessOf({ stats }: LocalDisk): Fullness {
  if (stats.tables_full) return 'tables'
  return stats.writable_bytes === 0 ? 'data' : 'no'
}

/** `fullness`: by disk, as far as the peers told. What is away is named for that. */
export function spaceFindings(
  state: ClusterState,
  fullness: ReadonlyMap<number, Fullness>,
): Finding[] {
  const serves = (disk: DiskRecord) => disk.state === 'in' || disk.state === 'draining'
  return state.disks.filter(serves).flatMap(disk => {
    const full = fullness.get(disk.id) ?? 'no'
    if (full === 'no') return []
    return [full === 'tables' ? tablesFinding(disk) : diskFinding(disk)]
  })
}

function diskFinding({ id, path }: DiskRecord): Finding {
  return {
    health: 'warn',
    code: 'disk_full',
    message:
      `disk ${id} (${path}) is full: writes of new blocks fail with ENOSPC; overwrites, ` +
      'reads, discards and deletes go on',
    next: 'delete or discard what is not needed, or add a disk: shoal disk add',
  }
}

/** Not data, but the names of what there is: its index, or its rows per volume and placement group. */
function tablesFinding({ id, path }: DiskRecord): Finding {
  return {
    health: 'warn',
    code: 'disk_tables_full',
    message:
      `disk ${id} (${path}) has no room in its tables: first writes of volumes and ` +
      'writes of new blocks fail with ENOSPC; everything else goes on',
    next:
      'delete volumes, or use larger disks; a disk that was prepared by an older version gets ' +
      'larger tables when it is removed and added again',
  }
}
