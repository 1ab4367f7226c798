import { Type } from 'typebox'
import { define } from '../route.ts'
import { ById, Name, Nullable } from './schemas.ts'

const ScrubResult = Type.Object({
  blocks: Type.Integer({ description: 'blocks read and verified' }),
  bad: Type.Integer({ description: 'blocks whose copy was bad' }),
  repaired: Type.Integer(),
  lost: Type.Integer({ description: 'blocks of which no good copy is left' }),
  postponed: Type.Integer({ description: 'bad blocks that could not be repaired just then' }),
  metadata: Type.Integer({ description: 'bad places of metadata, written anew' }),
})

const ScrubSchema = Type.Object({
  id: Type.Integer(),
  asked_at: Type.String(),
  is_done: Type.Boolean(),
  disks: Type.Array(
    Type.Object({
      disk: Type.Integer(),
      peer: Type.String(),
      result: Nullable(ScrubResult),
      running: Nullable(
        Type.Object(
          {
            done: Type.Integer({ description: 'bytes' }),
            total: Type.Integer({ description: 'bytes' }),
            eta_s: Nullable(Type.Integer()),
          },
          { description: 'as its peer told last, some seconds ago' },
        ),
      ),
      is_away: Type.Boolean({
        description: 'it, or its peer, is down: it answers when it is back',
      }),
    }),
  ),
})

const CheckSchema = Type.Object({
  id: Nullable(Type.Integer()),
  running: Nullable(
    Type.Object({
      done: Type.Integer({ description: 'bytes' }),
      total: Type.Integer({ description: 'bytes' }),
      bad_blocks: Type.Integer(),
      eta_s: Nullable(Type.Integer()),
    }),
  ),
  result: Nullable(ScrubResult),
})

const DamageSchema = Type.Array(
  Type.Object({
    offset: Type.Integer({ description: 'bytes' }),
    length: Type.Integer({ description: 'bytes' }),
  }),
)

const ByName = Type.Object({ name: Name })
const WhichOne = Type.Object({ id: Type.Optional(Type.Integer({ minimum: 1 })) })

export const scrubRoutes = {
  'volume.scrub': define(
    {
      summary: 'Read and verify every copy of a volume, and repair what is bad',
      params: ByName,
      reply: ScrubSchema,
    },
    ({ services, params }) => services.scrubs.start(params.name),
  ),
  'volume.scrubbed': define(
    {
      summary: 'Show a scrub of a volume: the newest one, or that of a number',
      params: ByName,
      query: WhichOne,
      reply: Nullable(ScrubSchema),
    },
    ({ services, params, query }) => services.scrubs.show(params.name, query.id ?? null),
  ),
  'volume.damage': define(
    {
      summary: 'Ranges of a volume of which no good copy is left',
      params: ByName,
      reply: DamageSchema,
    },
    ({ services, params }) => services.scrubs.damage(params.name),
  ),
  'disk.check': define(
    {
      summary: 'Read and verify everything on a disk of this peer, metadata included',
      params: ById,
      reply: CheckSchema,
    },
    ({ services, params }) => services.scrubs.checkDisk(params.id),
  ),
  'disk.checked': define(
    {
      summary: 'How far a check of a disk of this peer is, or what it found',
      params: ById,
      query: WhichOne,
      reply: CheckSchema,
    },
    ({ services, params, query }) => services.scrubs.checked(params.id, query.id ?? null),
  ),
}
