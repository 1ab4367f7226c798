import { Type } from 'typebox'
import { define } from '../route.ts'
import { Confirmation, Name, Nullable } from './schemas.ts'

const JoinedSchema = Type.Object({
  cluster_id: Type.String(),
  peer_id: Type.Integer(),
  peer: Type.String(),
})

const ClusterSchema = Type.Object({
  name: Type.String(),
  id: Type.String(),
  incarnation: Type.Integer(),
  level: Type.Integer(),
  map_epoch: Type.Integer(),
  leader: Nullable(Type.String()),
  voters: Type.Array(Type.String()),
  voters_down: Type.Array(Type.String()),
  may_fail: Type.Integer(),
  peers: Type.Integer(),
  disks: Type.Integer(),
  safety: Type.String(),
})

const PeerSchema = Type.Object({
  name: Type.String(),
  id: Type.Integer(),
  state: Type.String(),
  addresses: Type.Array(Type.String()),
  rack: Type.String(),
  zone: Type.String(),
  disks: Type.Integer(),
  is_voter: Type.Boolean(),
  is_leader: Type.Boolean(),
  public_key: Type.String(),
  joined_at: Type.String(),
})

const ByName = Type.Object({ name: Name })

export const clusterRoutes = {
  'cluster.init': define(
    {
      summary: 'Found a cluster with this peer as its first',
      body: Type.Object({ name: Type.String() }),
      reply: JoinedSchema,
      isOpen: true,
    },
    ({ services, body }) => services.membership.init(body.name),
  ),
  'cluster.join': define(
    {
      summary: 'Join a cluster with a token',
      body: Type.Object({
        token: Type.String({ maxLength: 16384 }),
        witness: Type.Optional(Type.Boolean()),
      }),
      reply: JoinedSchema,
      isOpen: true,
    },
    ({ services, body }) => services.membership.join(body.token, body.witness === true),
  ),
  'cluster.token': define(
    {
      summary: 'Make a token that admits one peer',
      body: Type.Object({ ttl_ms: Type.Integer({ minimum: 1_000, maximum: 86_400_000 }) }),
      reply: Type.Object({ token: Type.String(), expires_at: Type.String() }),
    },
    ({ services, body }) => services.membership.token(body.ttl_ms),
  ),
  'cluster.show': define({ summary: 'Show the cluster', reply: ClusterSchema }, ({ services }) =>
    services.membership.show(),
  ),
  'cluster.map': define(
    { summary: 'Show the topology map', reply: Type.Object({}, { additionalProperties: true }) },
    ({ services }) => services.map(),
  ),
  'peer.list': define({ summary: 'List peers', reply: Type.Array(PeerSchema) }, ({ services }) =>
    services.peers.list(),
  ),
  'peer.show': define(
    { summary: 'Show a peer', params: ByName, reply: PeerSchema },
    ({ services, params }) => services.peers.show(params.name),
  ),
  'peer.remove': define(
    {
      summary: 'Take a peer and its disks out; it is forgotten once nothing rests on it',
      params: ByName,
      query: Confirmation,
      reply: PeerSchema,
    },
    ({ services, params, query }) =>
      services.peers.remove(params.name, query.allow_degraded === true),
  ),
}
