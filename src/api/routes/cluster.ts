import { Type } from 'typebox'
import { define } from '../route.ts'
import { Confirmation, Name, Nullable, removalWish } from './schemas.ts'

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
  rebuild_after_ms: Type.Integer(),
  replace_voter_after_ms: Type.Integer(),
})

const RestoredSchema = Type.Object({
  name: Type.String(),
  cluster_id: Type.String(),
  incarnation: Type.Integer(),
  map_epoch: Type.Integer(),
  index: Type.Integer(),
  time_ms: Type.Integer({ description: 'of the last change that the state has' }),
  volumes: Type.Integer(),
  disks: Type.Array(
    Type.Object({
      disk: Type.Integer(),
      peer: Type.String(),
      was_at: Type.String(),
      found_at: Nullable(Type.String()),
    }),
  ),
  older: Type.Array(Type.String(), { description: 'disks with an older state, or none' }),
  unknown: Type.Array(Type.String(), { description: 'disks that the state does not have' }),
  unreadable: Type.Array(Type.String()),
})

const PeerSchema = Type.Object({
  name: Type.String(),
  id: Type.Integer(),
  state: Type.String(),
  addresses: Type.Array(Type.String()),
  rack: Type.String(),
  zone: Type.String(),
  disks: Type.Integer(),
  groups: Type.Integer(),
  only_copies: Type.Integer({ description: 'of groups no other copy of which is in sync' }),
  is_voter: Type.Boolean(),
  is_leader: Type.Boolean(),
  public_key: Type.String(),
  joined_at: Type.String(),
  maintenance_until: Nullable(Type.String()),
})

/** Nested as deep as there are levels; the schema does not repeat itself that often. */
const TreeNode = Type.Object({}, { additionalProperties: true })

const SettingsSchema = Type.Object({
  rebuild_after_ms: Type.Integer(),
  replace_voter_after_ms: Type.Integer(),
})

/** At most a year; at least what tells a loss from a restart. */
const Patience = Nullable(Type.Integer({ minimum: 1_000, maximum: 31_536_000_000 }))

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
  'cluster.recover': define(
    {
      summary: 'Go on from this peer alone: more than half of the voters are lost for good',
      body: Type.Object({ name: Name }),
      reply: Type.Object({ incarnation: Type.Integer() }),
    },
    ({ services, body }) => services.membership.recover(body.name),
  ),
  'cluster.recover_from_disks': define(
    {
      summary: 'Begin anew from what disks keep: the directories of all peers are lost',
      body: Type.Object({
        disks: Type.Array(Name, { minItems: 1, maxItems: 256 }),
        name: Nullable(Name),
        dry_run: Type.Boolean({ description: 'only show what would be restored' }),
      }),
      reply: RestoredSchema,
      isOpen: true,
    },
    ({ services, body }) => services.membership.recoverFromDisks(body),
  ),
  'cluster.set': define(
    {
      summary: 'Change settings of the whole cluster; null: as it is',
      body: Type.Object({ rebuild_after_ms: Patience, replace_voter_after_ms: Patience }),
      reply: SettingsSchema,
    },
    ({ services, body }) => services.membership.set(body),
  ),
  'cluster.map': define(
    { summary: 'Show the topology map', reply: Type.Object({}, { additionalProperties: true }) },
    ({ services }) => services.map(),
  ),
  'cluster.tree': define(
    {
      summary: 'Show zones, racks, peers and disks: weight, fill and share',
      reply: Type.Array(TreeNode),
    },
    ({ services }) => services.placement.tree(),
  ),
  'peer.list': define({ summary: 'List peers', reply: Type.Array(PeerSchema) }, ({ services }) =>
    services.peers.list(),
  ),
  'peer.show': define(
    { summary: 'Show a peer', params: ByName, reply: PeerSchema },
    ({ services, params }) => services.peers.show(params.name),
  ),
  'peer.maintenance': define(
    {
      summary: 'Announce that a peer will be away for a while; 0: not any more',
      params: ByName,
      body: Type.Object({ for_ms: Type.Integer({ minimum: 0, maximum: 2_592_000_000 }) }),
      reply: PeerSchema,
    },
    ({ services, params, body }) => services.peers.maintenance(params.name, body.for_ms),
  ),
  'peer.ok_to_stop': define(
    {
      summary: 'Whether a peer may stop for a while, and what would suffer',
      params: ByName,
      reply: Type.Object({ ok: Type.Boolean(), reasons: Type.Array(Type.String()) }),
    },
    ({ services, params }) => services.peers.okToStop(params.name),
  ),
  'peer.remove': define(
    {
      summary: 'Take a peer and its disks out; it is forgotten once nothing rests on it',
      params: ByName,
      query: Confirmation,
      reply: PeerSchema,
    },
    ({ services, params, query }) => services.peers.remove(params.name, removalWish(query)),
  ),
}
