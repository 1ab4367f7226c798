// "Did you mean ...?": the known word that takes the fewest edits to reach.

/** Undefined when even the nearest word is too far to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestEdits = Number.POSITIVE_INFINITY
  for (const candidate of known) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (edits < bestEdits) {
      best = candidate
      bestEdits = edits
    }
  }
  return bestEdits <= Math.max(2, Math.ceil(word.length / 2)) ? best : undefined
}

/** Levenshtein distance, one row at a time. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const nextRow = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const replaced = row[j - 1]! + (isSame ? 0 : 1)
      nextRow.push(Math.min(row[j]! + 1, nextRow[j - 1]! + 1, replaced))
    }
    row = nextRow
  }
  return row[b.length]!
}
