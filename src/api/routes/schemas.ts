// Schemas that several routes share.
import { type TSchema, Type } from 'typebox'

/** A name in a path. What a name may look like is checked where things are created. */
export const Name = Type.String({ minLength: 1, maxLength: 255 })

export function Nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()])
}

export const Confirmation = Type.Object({
  allow_degraded: Type.Optional(Type.Boolean()),
})

export const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) })
