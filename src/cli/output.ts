// What a command prints on stdout: a table or text for people, JSON for programs.

import { type Column, renderTable } from '../common/table.ts'
import { formatSize } from '../common/units.ts'

export const schemaVersion = 1

export interface ListOptions {
  output: string
  hasHeader: boolean
  isExact: boolean
}

/** Objects carry the version of their form, lists are plain arrays. */
export function renderJson(value: unknown): string {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return JSON.stringify(isObject ? { schema_version: schemaVersion, ...value } : value, null, 2)
}

export function renderList<T extends object>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  nameOf: (row: T) => string,
  options: ListOptions,
): string {
  if (options.output === 'json') return renderJson(rows)
  if (options.output === 'name') return rows.map(nameOf).join('\n')
  const isWide = options.output === 'wide'
  return renderTable(rows, columns, { hasHeader: options.hasHeader, isWide })
}

/** `key  value` lines; what is null is shown as a dash. */
export function renderFields(fields: readonly (readonly [string, string | null])[]): string {
  const width = Math.max(...fields.map(([key]) => key.length))
  return fields.map(([key, value]) => `${key.padEnd(width)}  ${value || '-'}`).join('\n')
}

export function sizeText(bytes: number | null, isExact: boolean): string {
  if (bytes === null) return '-'
  return isExact ? String(bytes) : formatSize(bytes)
}
