import { Type } from 'typebox'
import { define } from '../route.ts'
import { Bounds, GroupCount, Labels, Name, Nullable } from './schemas.ts'

const PolicySchema = Type.Object({
  name: Type.String(),
  id: Type.Integer(),
  copies: Type.Integer(),
  min_in_sync: Type.Integer(),
  failure_domain: Type.String(),
  class: Nullable(Type.String()),
  reads: Type.String(),
  max_per: Type.Record(Type.String(), Type.Integer()),
  labels: Type.Array(Type.String()),
  localize: Nullable(Type.String()),
  pg_count: Type.Integer(),
  pg_count_wanted: Type.Integer({ description: 'as a new policy on these disks would have' }),
  follows_disks: Type.Boolean({ description: 'pg_count grows with the disks' }),
  blocks_per_extent: Type.Integer(),
  volumes: Type.Integer(),
  state: Type.Enum(['ok', 'degraded', 'blocked', 'empty']),
})

const ByName = Type.Object({ name: Name })

export const policyRoutes = {
  'policy.list': define(
    { summary: 'List policies', reply: Type.Array(PolicySchema) },
    ({ services }) => services.policies.list(),
  ),
  'policy.show': define(
    { summary: 'Show a policy', params: ByName, reply: PolicySchema },
    ({ services, params }) => services.policies.show(params.name),
  ),
  'policy.create': define(
    {
      summary: 'Create a policy and place its groups on the disks there are',
      body: Type.Object({
        name: Type.String(),
        copies: Type.Integer({ minimum: 1, maximum: 7 }),
        min_in_sync: Nullable(Type.Integer({ minimum: 1, maximum: 7 })),
        failure_domain: Type.Enum(['disk', 'peer', 'rack', 'zone']),
        class: Nullable(Type.Enum(['nvme', 'ssd', 'hdd'])),
        pg_count: Nullable(GroupCount),
        max_per: Type.Optional(Bounds),
        labels: Type.Optional(Labels),
        localize: Type.Optional(Nullable(Name)),
        allow_short: Type.Optional(Type.Boolean()),
        dry_run: Type.Boolean(),
      }),
      reply: PolicySchema,
    },
    ({ services, body }) => services.policies.create(body),
  ),
  'policy.delete': define(
    { summary: 'Delete a policy that no volume uses', params: ByName },
    async ({ services, params }) => {
      await services.policies.delete(params.name)
      return null
    },
  ),
}
