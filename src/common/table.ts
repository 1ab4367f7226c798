// Tables for people, readable by awk too: upper-case headers, columns two spaces apart, no borders.

export interface Column<T> {
  header: string
  value: (row: T) => string
  align?: 'left' | 'right'
  /** Shown only with `-o wide`. */
  isWide?: boolean
}

export interface TableOptions {
  hasHeader?: boolean
  isWide?: boolean
}

export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: TableOptions = {},
): string {
  const shown = columns.filter(column => options.isWide || !column.isWide)
  const cells = rows.map(row => shown.map(column => clean(column.value(row))))
  if (options.hasHeader !== false) cells.unshift(shown.map(column => column.header.toUpperCase()))
  const widths = shown.map((_, index) => Math.max(...cells.map(row => row[index]!.length), 0))
  return cells
    .map(row =>
      row
        .map((cell, index) =>
          shown[index]!.align === 'right'
            ? cell.padStart(widths[index]!)
            : cell.padEnd(widths[index]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** An empty cell would shift the columns of whoever splits at blanks. */
function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replace(/[\x00-\x1f\x7f]/g, '?') || '-'
}
