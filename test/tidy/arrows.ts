// Who may import whom (docs/ARCHITECTURE.md). Everything may import common; the rest is listed.
import { dirname, join, normalize } from 'node:path'
import type { SourceFile } from './sources.ts'

/** `native` is src/native.ts, the only importer of the addon. */
const arrows: Record<string, readonly string[]> = {
  common: [],
  placement: [],
  native: [],
  data: [],
  gossip: [],
  cluster: ['data', 'placement'],
  volume: ['data', 'cluster', 'native', 'placement'],
  disk: ['data', 'native'],
  ublk: ['data', 'native'],
  doctor: ['data'],
  api: ['cluster', 'volume', 'disk', 'ublk', 'data', 'placement', 'doctor'],
  demo: ['api/client', 'api/contract'],
  cli: ['api/client', 'api/contract', 'demo', 'placement'],
  commands: ['cli', 'api/client', 'api/contract', 'demo', 'placement'],
  daemon: [
    'api',
    'cluster',
    'data',
    'disk',
    'gossip',
    'native',
    'placement',
    'ublk',
    'volume',
    'doctor',
  ],
}

/** Single files that may do more than their room. */
const exceptions: Record<string, readonly string[]> = {
  'src/commands/daemon/run.ts': ['daemon'],
  'src/commands/detach.ts': ['ublk'],
  'src/commands/doctor.ts': ['doctor'],
}

export interface Import {
  from: string
  to: string
}

export function importsOf(file: SourceFile): Import[] {
  const pattern = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g
  return [...file.text.matchAll(pattern)].map(match => ({
    from: file.path,
    to: normalize(join(dirname(file.path), match[1]!)),
  }))
}

export function room(path: string): string {
  const [, second = ''] = path.split('/')
  return second.replace(/\.ts$/, '')
}

export function forbidden(one: Import): string | undefined {
  const [from, to] = [room(one.from), room(one.to)]
  if (from === to || to === 'common') return undefined
  const allowed = [...(arrows[from] ?? []), ...(exceptions[one.from] ?? [])]
  const isAllowed = allowed.some(
    target => target === to || one.to === `src/${target}.ts` || one.to.startsWith(`src/${target}/`),
  )
  if (isAllowed) return undefined
  return arrows[from]
    ? `${one.from} imports ${one.to}: ${from} may import ${['common', ...allowed].join(', ')}`
    : `${one.from}: src/${from} has no place in the list of rooms`
}
