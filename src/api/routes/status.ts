import { Type } from 'typebox'
import { define } from '../route.ts'
import { Nullable, TaskSchema } from './schemas.ts'

const StatusSchema = Type.Object({
  health: Type.Enum(['ok', 'warn', 'error']),
  reasons: Type.Array(
    Type.Object({ code: Type.String(), message: Type.String(), next: Type.String() }),
  ),
  cluster: Type.Object({
    name: Type.String(),
    id: Type.String(),
    map_epoch: Type.Integer(),
    leader: Nullable(Type.String()),
  }),
  peers: Type.Array(Type.Object({ name: Type.String(), state: Type.String() })),
  disks: Type.Object({ total: Type.Integer(), in: Type.Integer() }),
  capacity: Type.Object({ total: Type.Integer(), used: Type.Integer() }),
  volumes: Type.Object({
    total: Type.Integer(),
    degraded: Type.Integer(),
    blocked: Type.Integer(),
  }),
  tasks: Type.Array(TaskSchema),
})

const EventSchema = Type.Object({
  id: Type.Integer(),
  time_ms: Type.Integer(),
  severity: Type.Enum(['info', 'warn', 'error']),
  code: Type.String(),
  message: Type.String(),
  subject: Type.String(),
})

const SlowSchema = Type.Object({
  volume: Type.String(),
  op: Type.String(),
  offset: Type.Integer(),
  length: Type.Integer(),
  at_ms: Type.Integer(),
  total_us: Type.Integer(),
  queued_us: Type.Integer(),
  first_ack_us: Type.Integer(),
  last_ack_us: Type.Integer(),
  last_disk: Type.Integer(),
  last_pg: Type.String(),
  resends: Type.Integer(),
})

export const statusRoutes = {
  'status.show': define({ summary: 'How the cluster is', reply: StatusSchema }, ({ services }) =>
    services.status(),
  ),
  'event.list': define(
    {
      summary: 'The newest events, oldest first',
      query: Type.Object({
        after: Type.Optional(Type.Integer({ minimum: 0 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
      }),
      reply: Type.Array(EventSchema),
    },
    ({ services, query }) =>
      services.events({ after: query.after ?? 0, limit: query.limit ?? 1000 }),
  ),
  'slow.list': define(
    {
      summary: 'The slowest operations of this peer: which stage, which member',
      query: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }),
      reply: Type.Array(SlowSchema),
      isOpen: true,
    },
    ({ services, query }) => services.slow(query.limit ?? 20),
  ),
  'version.show': define(
    {
      summary: 'Versions of what runs',
      reply: Type.Object({
        control: Type.String(),
        data: Nullable(Type.String()),
        protocol: Type.Integer(),
      }),
      isOpen: true,
    },
    async ({ services }) => services.versions(),
  ),
}
