// Every key of shoal.toml: its kind, its default and the line that documents it. The reference page
// and the sample file are generated from this list.

export interface KeyBase {
  doc: string
}

export type ConfigKey = KeyBase &
  (
    | { kind: 'text'; default: string | null }
    | { kind: 'address'; default: string }
    | { kind: 'choice'; choices: readonly string[]; default: string }
    | { kind: 'size'; default: string | null; min: string; max: string }
    | { kind: 'duration'; default: string; min: string; max: string }
    | { kind: 'count'; default: number; min: number; max: number }
    | { kind: 'flag'; default: boolean }
    | { kind: 'addresses'; default: readonly string[] }
  )

export const configKeys = {
  'peer.name': {
    kind: 'text',
    default: null,
    doc: "Name of this peer, unique in the cluster. Default: the host's name.",
  },
  'peer.rack': { kind: 'text', default: '', doc: 'Rack that this peer stands in, for placement.' },
  'peer.zone': { kind: 'text', default: '', doc: 'Zone that this peer stands in, for placement.' },
  'api.socket': {
    kind: 'text',
    default: null,
    doc: 'Unix socket of the API. Default: run/shoal.sock in the directory of the peer.',
  },
  'api.group': {
    kind: 'text',
    default: 'shoal',
    doc: 'Group that may use the API socket, besides its owner. Ignored when there is no such group.',
  },
  'net.listen': {
    kind: 'address',
    default: '0.0.0.0:7440',
    doc: 'Address on which other peers reach the data process, as HOST:PORT.',
  },
  'net.advertise': {
    kind: 'addresses',
    default: [],
    doc: "Addresses told to other peers. Default: `net.listen`, or the host's own.",
  },
  'gossip.listen': {
    kind: 'address',
    default: '0.0.0.0:7441',
    doc: 'Address on which other peers gossip, as HOST:PORT.',
  },
  'gossip.enabled': {
    kind: 'flag',
    default: true,
    doc: 'Spread states and map epochs by gossip. Off, peers learn of changes from the data process.',
  },
  'gossip.digest_interval': {
    kind: 'duration',
    default: '10s',
    min: '500ms',
    max: '1m',
    doc: 'How often a peer tells how it is when nothing changed. Longer by itself in large clusters.',
  },
  'gossip.sync_interval': {
    kind: 'duration',
    default: '10s',
    min: '500ms',
    max: '10m',
    doc: 'How often a peer compares what it has heard with a neighbour, to be given what it missed.',
  },
  'gossip.down_after': {
    kind: 'duration',
    default: '20s',
    min: '1s',
    max: '10m',
    doc: 'Silence after which a peer is shown as one that is not heard. Nothing is decided by it.',
  },
  'data.io_threads': {
    kind: 'count',
    default: 0,
    min: 0,
    max: 64,
    doc: 'Threads that serve volumes. 0: one for each core, at most 4.',
  },
  'data.memory': {
    kind: 'size',
    default: null,
    min: '64MiB',
    max: '1TiB',
    doc:
      'Memory for the index, checksums and dirty blocks of all disks of this peer together. Default: ' +
      '512 MiB, or 0.75 GiB for each TiB of its disks, at most half of what the machine has.',
  },
  'data.lease': {
    kind: 'duration',
    default: '2s',
    min: '500ms',
    max: '60s',
    doc: 'Length of the lease by which a peer serves. A longer one delays who takes over from it.',
  },
  'device.link_dir': {
    kind: 'text',
    default: '/dev/shoal',
    doc: 'Directory of the links that name attached volumes.',
  },
  'reconcile.joins_max': {
    kind: 'count',
    default: 64,
    min: 1,
    max: 1024,
    doc:
      'Placement groups of the whole cluster that are brought up to date at the same time, at most; ' +
      'shoal task set bounds them by disk and peer.',
  },
  'reconcile.hold_back_max': {
    kind: 'duration',
    default: '2m',
    min: '0s',
    max: '1h',
    doc:
      'Longest time before copies of a peer or disk that was lost again and again are brought up to ' +
      'date: 5 s after the third loss in ten minutes, twice as long after each further one. Groups ' +
      'that cannot do without are helped at once.',
  },
  'reconcile.interval': {
    kind: 'duration',
    default: '1s',
    min: '100ms',
    max: '1m',
    doc:
      'Shortest time between two looks at what has to be done; a tenth of it while one step leads ' +
      'to the next. Nothing is done without a change.',
  },
  'log.level': {
    kind: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    doc: 'The least severe messages that are logged.',
  },
} as const satisfies Record<string, ConfigKey>

export type ConfigKeyName = keyof typeof configKeys
