import { Type } from 'typebox'
import { define } from '../route.ts'
import { Name, Nullable } from './schemas.ts'

export const ExportSchema = Type.Object({
  id: Type.Integer(),
  volume: Type.String(),
  peer: Type.String(),
  kind: Type.String(),
  uri: Type.String(),
})

const VolumeSchema = Type.Object({
  name: Type.String(),
  id: Type.Integer(),
  size: Type.Integer({ description: 'bytes' }),
  used: Nullable(Type.Integer({ description: 'bytes written and not discarded, one copy' })),
  block_size: Type.Integer(),
  policy: Type.String(),
  state: Type.Enum(['ok', 'degraded', 'blocked', 'empty', 'deleting']),
  attached: Nullable(
    Type.Object({
      peer: Type.String(),
      via: Type.String(),
      read_only: Type.Boolean(),
      generation: Type.Integer(),
    }),
  ),
  fenced: Type.Array(Type.String()),
  exports: Type.Array(ExportSchema),
  created_at: Type.String(),
})

const LayoutSchema = Type.Object({
  volume: Type.String(),
  policy: Type.String(),
  extent_bytes: Type.Integer(),
  extents: Type.Integer(),
  disks: Type.Array(
    Type.Object({
      disk: Type.Integer(),
      peer: Type.String(),
      rack: Type.String(),
      zone: Type.String(),
      extents: Type.Integer({ description: 'extents of which the disk has a copy' }),
      first: Type.Integer({ description: 'of these, the ones that it is read from first' }),
    }),
  ),
  groups: Type.Array(
    Type.Object({
      index: Type.Integer(),
      extents: Type.Integer(),
      disks: Type.Array(Type.Integer()),
      in_sync: Type.Array(Type.Integer()),
    }),
  ),
})

const ByName = Type.Object({ name: Name })

const RecoverySchema = Type.Object({
  groups: Type.Integer({ description: 'placement groups that go on from older copies' }),
  hopeless: Type.Integer(),
  refused: Type.Integer(),
  ranges: Type.Array(Type.Object({ offset: Type.Integer(), length: Type.Integer() })),
  old_bytes: Type.Integer(),
  others: Type.Array(Type.String()),
})

export const volumeRoutes = {
  'volume.list': define(
    { summary: 'List volumes', reply: Type.Array(VolumeSchema) },
    ({ services }) => services.volumes.list(),
  ),
  'volume.show': define(
    { summary: 'Show a volume', params: ByName, reply: VolumeSchema },
    ({ services, params }) => services.volumes.show(params.name),
  ),
  'volume.layout': define(
    {
      summary: 'Show where the data of a volume lies',
      params: ByName,
      reply: LayoutSchema,
    },
    ({ services, params }) => services.volumes.layout(params.name),
  ),
  'volume.create': define(
    {
      summary: 'Create a thin volume',
      body: Type.Object({
        name: Type.String(),
        size: Type.Integer({ description: 'bytes' }),
        policy: Nullable(Type.String()),
        block_size: Type.Union([Type.Literal(512), Type.Literal(4096)]),
      }),
      reply: VolumeSchema,
    },
    ({ services, body }) => services.volumes.create(body),
  ),
  'volume.resize': define(
    {
      summary: 'Make a volume larger',
      params: ByName,
      body: Type.Object({ size: Type.Integer({ description: 'bytes' }) }),
      reply: VolumeSchema,
    },
    ({ services, params, body }) => services.volumes.resize(params.name, body.size),
  ),
  'volume.rename': define(
    {
      summary: 'Give a volume another name',
      params: ByName,
      body: Type.Object({ name: Type.String() }),
      reply: VolumeSchema,
    },
    ({ services, params, body }) => services.volumes.rename(params.name, body.name),
  ),
  'volume.recover': define(
    {
      summary:
        'Go on from older copies where the newest are gone for good; else say what may be old',
      params: ByName,
      body: Type.Object({ allow_data_loss: Type.Boolean() }),
      reply: RecoverySchema,
    },
    ({ services, params, body }) => services.volumes.recover(params.name, body.allow_data_loss),
  ),
  'volume.delete': define(
    { summary: 'Delete a volume and its data', params: ByName },
    async ({ services, params }) => {
      await services.volumes.delete(params.name)
      return null
    },
  ),
}
