// Small pictures without a library. Colours hold on light and dark pages.

const SHOAL = '#2563eb'
const OTHER = '#d97706'
const TEXT = '#64748b'
const FONT = 'font-family="sans-serif" font-size="12"'

export interface Series {
  readonly name: string
  readonly values: readonly number[]
}

function page(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${title}</title>`,
    text(12, 20, title, 'start', 'font-weight="bold"'),
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

function text(x: number, y: number, words: string, anchor = 'start', more = ''): string {
  const at = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`
  return `<text ${at} ${FONT} fill="${TEXT}" ${more}>${words}</text>`
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  const ends = `x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"`
  return `<line ${ends} stroke="${TEXT}" stroke-width="0.5"/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function legend(series: readonly Series[], width: number): string[] {
  return series.flatMap((one, i) => [
    `<rect x="${width - 130}" y="${10 + i * 16}" width="10" height="10" fill="${colour(i)}"/>`,
    text(width - 114, 19 + i * 16, one.name),
  ])
}

function colour(i: number): string {
  return i === 0 ? SHOAL : OTHER
}

/** One dot per disk: how far it is from its share, disks in a row. */
export function dots(title: string, series: readonly Series[], unit: string): string {
  const [width, height, left, top] = [720, 300, 56, 48]
  const most = Math.max(1, ...series.flatMap(one => one.values.map(Math.abs)))
  const x = (i: number, count: number) => left + ((width - left - 12) * (i + 0.5)) / count
  const y = (value: number) => top + ((most - value) / (2 * most)) * (height - top - 24)
  const body = [...legend(series, width)]
  for (const at of [most, 0, -most]) {
    body.push(line(left, y(at), width - 12, y(at)))
    body.push(text(left - 6, y(at) + 4, `${at > 0 ? '+' : ''}${round(at)}`, 'end'))
  }
  for (const [s, one] of [...series.entries()].reverse()) {
    one.values.forEach((value, i) => {
      const at = `cx="${round(x(i, one.values.length))}" cy="${round(y(value))}"`
      body.push(`<circle ${at} r="1.8" fill="${colour(s)}"/>`)
    })
  }
  body.push(text(width / 2, height - 6, unit, 'middle'))
  return page(width, height, title, body)
}

/** Groups of bars from 0: how many times the least. */
export function ratioBars(
  title: string,
  groups: readonly string[],
  series: readonly Series[],
): string {
  const [width, rowHeight, left, top] = [720, 44, 150, 56]
  const height = top + groups.length * rowHeight + 12
  const most = Math.max(1, ...series.flatMap(one => one.values))
  const length = (value: number) => (value / most) * (width - left - 80)
  const body = [...legend(series, width)]
  groups.forEach((group, g) => {
    const y = top + g * rowHeight
    body.push(text(left - 8, y + 22, group, 'end'))
    series.forEach((one, s) => {
      const at = `x="${left}" y="${y + 4 + s * 16}" width="${round(length(one.values[g]))}"`
      body.push(`<rect ${at} height="13" fill="${colour(s)}"/>`)
      const label = `${one.values[g].toFixed(2)}x`
      body.push(text(left + length(one.values[g]) + 6, y + 15 + s * 16, label))
    })
  })
  return page(width, height, title, body)
}

/** Lines over logarithmic axes. */
export function curves(
  title: string,
  across: readonly number[],
  series: readonly Series[],
  unit: string,
): string {
  const [width, height, left, top] = [720, 320, 64, 48]
  const all = series.flatMap(one => one.values)
  const low = Math.floor(Math.log10(Math.max(0.1, Math.min(...all))))
  const high = Math.ceil(Math.log10(Math.max(...all)))
  const [first, last] = [Math.log10(across[0]), Math.log10(across[across.length - 1])]
  const x = (v: number) => left + ((Math.log10(v) - first) / (last - first)) * (width - left - 24)
  const y = (v: number) =>
    top + ((high - Math.log10(Math.max(v, 10 ** low))) / (high - low)) * (height - top - 36)
  const body = [...legend(series, width)]
  for (let power = low; power <= high; power++) {
    body.push(line(left, y(10 ** power), width - 24, y(10 ** power)))
    body.push(text(left - 6, y(10 ** power) + 4, `${10 ** power}`, 'end'))
  }
  for (const value of across) body.push(text(x(value), height - 18, `${value}`, 'middle'))
  series.forEach((one, s) => {
    const points = one.values.map((value, i) => `${round(x(across[i]))},${round(y(value))}`)
    const style = `fill="none" stroke="${colour(s)}" stroke-width="2"`
    body.push(`<polyline points="${points.join(' ')}" ${style}/>`)
  })
  body.push(text(width / 2, height - 3, unit, 'middle'))
  return page(width, height, title, body)
}
