// Disks of this peer that take no new data.
import type { DataStatus, LocalDisk } from '../data/protocol.ts'
import type { Finding } from './status.ts'

export function spaceFindings(data: DataStatus): Finding[] {
  return data.stores.flatMap(store => {
    const { stats } = store
    if (stats.tables_full) return [tablesFinding(store)]
    return stats.writable_bytes === 0 ? [diskFinding(store)] : []
  })
}

function diskFinding({ disk_id, path }: LocalDisk): Finding {
  return {
    health: 'warn',
    code: 'disk_full',
    message:
      `disk ${disk_id} (${path}) is full: writes of new blocks fail with ENOSPC; overwrites, ` +
      'reads, discards and deletes go on',
    next: 'delete or discard what is not needed, or add a disk: shoal disk add',
  }
}

/** Not data, but the names of what there is: its index, or its rows per volume and placement group. */
function tablesFinding({ disk_id, path, stats }: LocalDisk): Finding {
  const share = `${stats.root_bytes} of ${stats.root_bytes_max} bytes`
  return {
    health: 'warn',
    code: 'disk_tables_full',
    message:
      `disk ${disk_id} (${path}) has no room in its tables (${share}): first writes of volumes and ` +
      'writes of new blocks fail with ENOSPC; everything else goes on',
    next:
      'delete volumes, or use larger disks; a disk that was prepared by an older version gets ' +
      'larger tables when it is removed and added again',
  }
}
