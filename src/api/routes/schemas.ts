// Schemas that several routes share.
import { type TSchema, Type } from 'typebox'

/** A name in a path. What a name may look like is checked where things are created. */
export const Name = Type.String({ minLength: 1, maxLength: 255 })

export function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

const Label = Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,62}$' })

export const Labels = Type.Array(Label, { maxItems: 32 })

export const GroupCount = Type.Integer({ minimum: 1, maximum: 262_144 })

/** Most members of one group in one of these. */
export const Bounds = Type.Object(
  {
    disk: Type.Optional(Type.Literal(1)),
    peer: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    rack: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
    zone: Type.Optional(Type.Integer({ minimum: 1, maximum: 16 })),
  },
  { additionalProperties: false },
)

export const Confirmation = Type.Object({
  force: Type.Optional(Type.Boolean()),
  allow_degraded: Type.Optional(Type.Boolean()),
})

export const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) })

export const TaskSchema = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  state: Type.String(),
  done: Type.Number(),
  total: Type.Number(),
  unit: Type.String(),
  message: Nullable(Type.String()),
  rate: Nullable(Type.Number({ description: 'units in a second; null before it was measured' })),
  eta_seconds: Nullable(Type.Number()),
  members_left: Nullable(Type.Integer()),
})

/** What `--force` and `--allow-degraded` say; nothing unless it is said. */
export function removalWish(query: { force?: boolean; allow_degraded?: boolean }) {
  return { force: query.force === true, allow_degraded: query.allow_degraded === true }
}
