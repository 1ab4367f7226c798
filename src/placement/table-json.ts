import { PlacementError, shown } from './errors.ts'
import { checkId } from './ids.ts'
import { COPIES_MAX, DISKS_MAX, EC_DATA_MAX, EC_PARITY_MAX, HOLE, PGS_MAX } from './limits.ts'
import type { Id, PgTable, Policy } from './types.ts'

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

/** Tables of these policies, from the file of an earlier plan: anything may stand in it. */
export function tablesFrom(previous: unknown, policies: readonly Policy[]): PgTable[] {
  const { policies: list, disks } = (previous ?? {}) as { policies?: unknown; disks?: unknown }
  if (!Array.isArray(list)) {
    throw new PlacementError(
      'bad_input',
      'the previous file has no list "policies"',
      'hand over what an earlier plan wrote',
    )
  }
  const wanted = new Set(policies.map(policy => policy.name))
  const tables = list.map(tableFromRows).filter(table => wanted.has(table.name))
  if (Array.isArray(disks)) checkListed(tables, disks)
  return tables
}

/**
 * A disk that is not in the topology any more has left. One that the earlier plan itself did not list was
 * never there: a slip of the pen, not a loss.
 */
function checkListed(tables: readonly PgTable[], disks: readonly unknown[]): void {
  const listed = new Set(disks.map(one => (one as { disk?: unknown } | null)?.disk))
  for (const { name, disks: named } of tables) {
    const unknown = named.find(id => !listed.has(id))
    if (unknown === undefined) continue
    throw new PlacementError(
      'unknown_disk',
      `the previous table of ${JSON.stringify(name)} names disk ${shown(unknown)}`,
      'its own list "disks" has none of that name: correct it, or leave that list away',
    )
  }
}

/** Reads what `rowsOf` wrote. */
function tableFromRows(value: unknown): PgTable {
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
    checkOnce(row, pg, name)
    row.forEach((entry, position) => {
      if (entry === null) return
      slots[pg * width + position] = numberOf(checkId(entry, `row ${pg}`), numbers)
    })
  })
  return { name, pgs: table.length, width, disks: [...numbers.keys()], slots }
}

/** A disk that holds two of a group's members would count as one that is lost. */
function checkOnce(row: readonly unknown[], pg: number, name: Id): void {
  const twice = row.find((entry, at) => entry !== null && row.indexOf(entry) < at)
  if (twice === undefined) return
  throw new PlacementError(
    'bad_table',
    `row ${pg} of the previous table of ${JSON.stringify(name)} names disk ${shown(twice)} twice`,
    'hand over what an earlier plan wrote',
  )
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
