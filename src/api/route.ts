// A route: schemas that check what comes in and describe what goes out, and the handler between
// them.
import type { FastifyInstance } from 'fastify'
import type { Static, TSchema } from 'typebox'
import { coerce } from './coerce.ts'
import { type EndpointName, endpoint } from './endpoints.ts'
import type { Services } from './services.ts'

export interface RouteInput<P, Q, B> {
  services: Services
  params: P
  query: Q
  body: B
}

export interface Route<P = unknown, Q = unknown, B = unknown, R = unknown> {
  summary: string
  params?: TSchema
  query?: TSchema
  body?: TSchema
  reply?: TSchema
  /** Works before this peer belongs to a cluster. */
  isOpen: boolean
  run: (input: RouteInput<P, Q, B>) => Promise<R>
}

interface Schemas<P, Q, B, R> {
  summary: string
  params?: P
  query?: Q
  body?: B
  reply?: R
  isOpen?: boolean
}

type In<S> = S extends TSchema ? Static<S> : Record<string, never>
type Out<S> = S extends TSchema ? Static<S> : null

export function define<
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
  R extends TSchema | undefined = undefined,
>(
  schemas: Schemas<P, Q, B, R>,
  run: (input: RouteInput<In<P>, In<Q>, In<B>>) => Promise<Out<R>>,
): Route<In<P>, In<Q>, In<B>, Out<R>> {
  return { ...schemas, isOpen: schemas.isOpen ?? false, run } as Route<In<P>, In<Q>, In<B>, Out<R>>
}

/** What a table of routes means for a client. */
export type ContractOf<T> = {
  [K in keyof T]: T[K] extends Route<infer P, infer Q, infer B, infer R>
    ? { params: P; query: Q; body: B; reply: R }
    : never
}

export type RouteTable = { [K in EndpointName]?: Route<never, never, never, unknown> }

export function register(app: FastifyInstance, table: RouteTable, services: Services): void {
  for (const [name, route] of Object.entries(table) as [EndpointName, Route][]) {
    const { method, path } = endpoint(name)
    app.route({
      method,
      url: path,
      schema: {
        operationId: name,
        summary: route.summary,
        tags: [name.split('.')[0]!],
        ...(route.params ? { params: route.params } : {}),
        ...(route.query ? { querystring: route.query } : {}),
        ...(route.body ? { body: route.body } : {}),
        response: { 200: route.reply ?? { type: 'null' } },
      },
      preValidation: async request => {
        coerce(route.params, request.params)
        coerce(route.query, request.query)
      },
      handler: async request => {
        if (!route.isOpen) services.requireCluster()
        const { params, query, body } = request
        return (await route.run({ services, params, query, body: body ?? {} })) ?? null
      },
    })
  }
}
