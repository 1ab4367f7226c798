import { Type } from 'typebox'
import { define } from '../route.ts'
import { ById, Name } from './schemas.ts'
import { ExportSchema } from './volumes.ts'

const DeviceSchema = Type.Object({
  volume: Type.String(),
  device: Type.String(),
  path: Type.String(),
  kind: Type.String(),
  state: Type.String(),
  reason: Type.Union([Type.String(), Type.Null()]),
  generation: Type.Integer(),
  clients: Type.Integer(),
})

const Force = Type.Object({ force: Type.Optional(Type.Boolean()) })

export const deviceRoutes = {
  'device.list': define(
    { summary: 'List what this peer serves', reply: Type.Array(DeviceSchema) },
    ({ services }) => services.devices.list(),
  ),
  'device.attach': define(
    {
      summary: 'Attach a volume on this peer',
      body: Type.Object({
        volume: Name,
        via: Type.Enum(['auto', 'ublk', 'nbd']),
        read_only: Type.Boolean(),
        queues: Type.Integer({ minimum: 0, maximum: 64 }),
        takeover: Type.Optional(Type.Boolean()),
      }),
      reply: DeviceSchema,
    },
    ({ services, body }) => services.devices.attach({ ...body, takeover: body.takeover === true }),
  ),
  'device.detach': define(
    {
      summary: 'Detach a volume from this peer',
      params: Type.Object({ volume: Name }),
      query: Force,
    },
    async ({ services, params, query }) => {
      await services.devices.detach(params.volume, query.force === true)
      return null
    },
  ),
  'export.list': define(
    { summary: 'List exports', reply: Type.Array(ExportSchema) },
    ({ services }) => services.exports.list(),
  ),
  'export.create': define(
    {
      summary: 'Export a volume through NBD on a unix socket of this peer',
      body: Type.Object({
        volume: Name,
        kind: Type.Literal('nbd'),
        takeover: Type.Optional(Type.Boolean()),
      }),
      reply: ExportSchema,
    },
    ({ services, body }) => services.exports.create(body.volume, body.takeover === true),
  ),
  'export.delete': define(
    { summary: 'End an export', params: ById, query: Force },
    async ({ services, params, query }) => {
      await services.exports.delete(params.id, query.force === true)
      return null
    },
  ),
}
