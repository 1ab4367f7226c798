import { PlacementError } from './errors.ts'
import { checkId } from './ids.ts'
import { COPIES_MAX, DISKS_MAX, EC_DATA_MAX, EC_PARITY_MAX, HOLE, PGS_MAX } from './limits.ts'
import type { Id, PgTable } from './types.ts'

const WIDTH_MAX = Math.max(COPIES_MAX, EC_DATA_MAX + EC_PARITY_MAX)

/** Disks by position; null where one is empty and others follow. */
export function rowsOf(table: PgTable): (Id | null)[][] {
  const rows: (Id | null)[][] = []
  for (let pg = 0; pg < table.pgs; pg++) {
    const row: (Id | null)[] = []
    for (let at = pg * table.width; at < (pg + 1) * table.width; at++) {
      const disk = table.slots[at]
      row.push(disk === HOLE ? null : table.disks[disk])
    }
    while (row.length > 0 && row[row.length - 1] === null) row.pop()
    rows.push(row)
  }
  return rows
}

/** Reads what `rowsOf` wrote, from a file: anything may stand in it. */
export function tableFromRows(value: unknown): PgTable {
  const { name: given, table } = (value ?? {}) as { name?: unknown; table?: unknown }
  const name = checkId(given, 'name of a previous policy')
  if (!Array.isArray(table) || table.length > PGS_MAX || !table.every(isRow)) {
    throw new PlacementError(
      'bad_table',
      `the previous table of ${JSON.stringify(name)} is no list of rows of disks`,
      'hand over what an earlier plan wrote',
    )
  }
  const width = table.reduce((most: number, row) => Math.max(most, row.length), 1)
  const numbers = new Map<Id, number>()
  const slots = new Uint16Array(table.length * width).fill(HOLE)
  table.forEach((row, pg) => {
    row.forEach((entry, position) => {
      if (entry === null) return
      slots[pg * width + position] = numberOf(checkId(entry, `row ${pg}`), numbers)
    })
  })
  return { name, pgs: table.length, width, disks: [...numbers.keys()], slots }
}

function isRow(row: unknown): row is (Id | null)[] {
  return Array.isArray(row) && row.length <= WIDTH_MAX
}

function numberOf(id: Id, numbers: Map<Id, number>): number {
  const known = numbers.get(id)
  if (known !== undefined) return known
  if (numbers.size >= DISKS_MAX) {
    throw new PlacementError('too_many_disks', `more than ${DISKS_MAX} disks`, 'split the cluster')
  }
  numbers.set(id, numbers.size)
  return numbers.size - 1
}
