import { Type } from 'typebox'
import { ShoalError } from '../../common/errors.ts'
import { define } from '../route.ts'
import { Bounds, GroupCount, Labels, Name, Nullable } from './schemas.ts'

const Domain = Type.Enum(['disk', 'peer', 'rack', 'zone'])
const DiskClass = Type.Enum(['nvme', 'ssd', 'hdd'])
const Standing = Type.Enum(['in', 'draining', 'out'])
const DiskId = Type.Integer({ minimum: 1 })
/** Empty: none of that kind; then the peer stands for itself. */
const Place = Type.String({ maxLength: 255 })

const BytesPerSecond = Nullable(Type.Number({ exclusiveMinimum: 0 }))

const PolicyChange = Type.Object({
  name: Nullable(Name),
  copies: Nullable(Type.Integer({ minimum: 1, maximum: 7 })),
  min_in_sync: Nullable(Type.Integer({ minimum: 1, maximum: 7 })),
  failure_domain: Nullable(Domain),
  class: Nullable(Type.Enum(['nvme', 'ssd', 'hdd', 'any'])),
  reads: Nullable(Type.Enum(['lease', 'confirmed'])),
  max_per: Nullable(Bounds),
  labels: Nullable(Labels),
  localize: Nullable(Name),
  pg_count: Type.Optional(Nullable(GroupCount)),
  follows_disks: Type.Optional(Nullable(Type.Boolean())),
})

const Change = Type.Union([
  Type.Object({ type: Type.Literal('none') }),
  Type.Object({
    type: Type.Literal('disk_add'),
    peer: Nullable(Name),
    size: Type.Integer({ minimum: 1, description: 'bytes' }),
    class: DiskClass,
  }),
  Type.Object({ type: Type.Literal('disk_state'), disk: DiskId, state: Standing }),
  Type.Object({
    type: Type.Literal('disk_set'),
    disk: DiskId,
    weight: Nullable(Type.Integer({ minimum: 0, maximum: 2 ** 31 })),
    labels: Nullable(Labels),
    reserve: Type.Optional(Nullable(Type.Integer({ minimum: 0, description: 'bytes' }))),
  }),
  Type.Object({ type: Type.Literal('peer_state'), peer: Name, state: Standing }),
  Type.Object({
    type: Type.Literal('peer_domains'),
    peers: Type.Array(Name, { minItems: 1, maxItems: 10_000 }),
    rack: Nullable(Place),
    zone: Nullable(Place),
  }),
  Type.Object({ type: Type.Literal('policy_set'), policy: Name, change: PolicyChange }),
])

/** States that are set without a question about what would be lost: `out` is not one of them. */
const Made = ['in', 'draining']

const Spread = Type.Object({
  disk: Type.Number(),
  peer: Type.Number(),
  rack: Type.Number(),
  zone: Type.Number(),
})

const Id = Type.Union([Type.String(), Type.Number()])

const WarningCode = Type.Enum([
  'short_pgs',
  'localize_unmet',
  'deviation',
  'holes',
  'slow_disk',
  'no_eligible_disk',
])

const PlanSchema = Type.Object({
  schema_version: Type.Literal(1),
  policies: Type.Array(
    Type.Object({
      name: Id,
      pgs: Type.Integer(),
      table: Type.Array(Type.Array(Nullable(Id))),
      members_per_pg: Type.Integer(),
      tolerates: Spread,
    }),
  ),
  moved: Type.Integer(),
  lower_bound: Type.Integer(),
  spread: Spread,
  spread_before: Nullable(Spread),
  seconds: Type.Number(),
  moved_bytes: Type.Number(),
  moves: Type.Array(Type.Object({ from: Nullable(Id), to: Id, members: Type.Integer() })),
  disks: Type.Array(
    Type.Object({
      disk: Id,
      members: Type.Integer(),
      share: Type.Number(),
      arriving: Type.Integer(),
      leaving: Type.Integer(),
    }),
  ),
  warnings: Type.Array(Type.Object({ code: WarningCode, message: Type.String(), subject: Id })),
})

export const placementRoutes = {
  'placement.plan': define(
    {
      summary: 'What a change would move; nothing is changed',
      body: Type.Object({
        change: Change,
        bytes_per_second: BytesPerSecond,
      }),
      reply: PlanSchema,
    },
    ({ services, body }) => services.placement.preview(body.change, body.bytes_per_second),
  ),
  'placement.change': define(
    {
      summary: 'Make a change that moves data: drain, weight, domains, policy',
      body: Type.Object({
        change: Change,
        allow_short: Type.Optional(Type.Boolean()),
        bytes_per_second: Type.Optional(BytesPerSecond),
      }),
      reply: PlanSchema,
    },
    ({ services, body }) => {
      const { change } = body
      const isRemoval = 'state' in change && !Made.includes(change.state)
      if (isRemoval || change.type === 'disk_add' || change.type === 'none') throw notHere()
      const { allow_short: mayBeShort, bytes_per_second: bytesPerSecond } = body
      return services.placement.change(change, { mayBeShort, bytesPerSecond })
    },
  ),
}

function notHere(): ShoalError {
  return new ShoalError('bad_request', 'this change can only be planned here', {
    next: 'disks are added and removed at /v1/disks, peers removed at /v1/peers',
  })
}
