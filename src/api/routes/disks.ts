import { Type } from 'typebox'
import { define } from '../route.ts'
import { ById, Confirmation, Name, Nullable, removalWish } from './schemas.ts'

const DiskClass = Type.Enum(['nvme', 'ssd', 'hdd'])

const DiskSchema = Type.Object({
  id: Type.Integer(),
  peer: Type.String(),
  path: Type.String(),
  size: Type.Integer({ description: 'bytes' }),
  used: Nullable(Type.Integer({ description: 'bytes; null on peers that do not hold the disk' })),
  class: Type.String(),
  weight: Type.Integer(),
  labels: Type.Array(Type.String()),
  reserve: Type.Integer({ description: 'bytes that are kept free' }),
  fill_factor: Type.Number({ description: 'correction of the share by measured fill' }),
  state: Type.String(),
  reason: Nullable(
    Type.String({ description: 'why it does not serve, as the peer that holds it knows' }),
  ),
  write_us: Nullable(Type.Integer({ description: 'median time of a small write' })),
  groups: Type.Integer(),
  only_copies: Type.Integer({ description: 'of groups no other copy of which is in sync' }),
  stats: Nullable(Type.Record(Type.String(), Type.Number())),
})

const CandidateSchema = Type.Object({
  path: Type.String(),
  size: Type.Integer({ description: 'bytes' }),
  type: Type.String(),
  class: DiskClass,
  model: Type.String(),
  serial: Type.String(),
  refusal: Nullable(Type.String({ description: 'why it cannot be added as it is' })),
})

export const diskRoutes = {
  'disk.scan': define(
    {
      summary: 'List the block devices of this peer',
      reply: Type.Array(CandidateSchema),
      isOpen: true,
    },
    ({ services }) => services.disks.scan(),
  ),
  'disk.list': define({ summary: 'List disks', reply: Type.Array(DiskSchema) }, ({ services }) =>
    services.disks.list(),
  ),
  'disk.show': define(
    { summary: 'Show a disk', params: ById, reply: DiskSchema },
    ({ services, params }) => services.disks.show(params.id),
  ),
  'disk.add': define(
    {
      summary: 'Add a disk of this peer: a whole device, a partition or a file',
      body: Type.Object({
        path: Name,
        size: Nullable(Type.Integer({ minimum: 1, description: 'bytes; of a file to be made' })),
        class: Nullable(DiskClass),
        wipe: Type.Boolean(),
        existing: Type.Optional(
          Type.Boolean({ description: 'it holds a store of this cluster, which is kept' }),
        ),
        reserve: Type.Optional(
          Type.Boolean({
            description:
              'most of a new file is only allocated: made sooner, slower when first written',
          }),
        ),
      }),
      reply: DiskSchema,
    },
    ({ services, body }) => services.disks.add(body),
  ),
  'disk.safe_to_remove': define(
    {
      summary: 'Whether a disk may be taken away, and what would be lost',
      params: ById,
      reply: Type.Object({ safe: Type.Boolean(), reasons: Type.Array(Type.String()) }),
    },
    ({ services, params }) => services.disks.safeToRemove(params.id),
  ),
  'disk.remove': define(
    {
      summary: 'Take a disk out: its data is made anew elsewhere, then it is forgotten',
      params: ById,
      query: Confirmation,
      reply: DiskSchema,
    },
    ({ services, params, query }) => services.disks.remove(params.id, removalWish(query)),
  ),
}
