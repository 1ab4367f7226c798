// How libp2p is set up. Several of its defaults are made for strangers on the internet and break a
// cluster whose peers share a host or a network: each such setting says what it prevents.
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { ConnectionGater, PrivateKey } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Libp2pOptions } from 'libp2p'
import { inboundBytesMax } from './limits.ts'
import { topicsOf } from './topics.ts'

export type NodeServices = { identify: Identify; ping: Ping; gossip: GossipSub }

const connectionsMax = 2_048
const pendingInboundMax = 200
const dialTimeoutMs = 5_000
/**
 * The mesh is a second way only: who publishes sends to everyone, and a sync fills the gaps. So nobody
 * is told, with each heartbeat, what he has long had (Dlazy, gossipFactor).
 */
const mesh = { D: 3, Dlo: 2, Dhi: 4, Dout: 1, Dscore: 1, heartbeatInterval: 5_000 }
const tellsNothingTwice = { Dlazy: 0, gossipFactor: 0 }
/** A copy of what was checked already is known by its publisher and number, before it costs a signature. */
const publication = ({ from, seqno }: { from?: Uint8Array; seqno?: Uint8Array }) =>
  Buffer.concat([from ?? noBytes, seqno ?? noBytes]).toString('latin1')
const noBytes = new Uint8Array()
const rpcLimits = {
  maxSubscriptions: 16,
  maxMessages: 256,
  maxIhaveMessageIDs: 1_024,
  maxIwantMessageIDs: 1_024,
  maxIdontwantMessageIDs: 1_024,
  maxControlMessages: 64,
  maxPeerInfos: 0,
}

export interface NodeSetup {
  privateKey: PrivateKey
  listen: string
  clusterId: string
  version: string
  isMember: (peerId: string) => boolean
}

export function nodeOptions(setup: NodeSetup): Libp2pOptions<NodeServices> {
  return {
    privateKey: setup.privateKey,
    nodeInfo: { name: 'shoal', version: setup.version, userAgent: `shoal/${setup.version}` },
    addresses: { listen: [setup.listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ enableKeepAlive: false })],
    connectionGater: membersOnly(setup.isMember),
    connectionManager: {
      // By default 5 a second from one host: peers behind one address could not all connect.
      inboundConnectionThreshold: Number.POSITIVE_INFINITY,
      maxIncomingPendingConnections: pendingInboundMax,
      maxConnections: connectionsMax,
      dialTimeout: dialTimeoutMs,
      // Who is dialled again, and when, is decided by the dial plan alone.
      reconnectRetries: 0,
    },
    // It opens a stream for every ping. Here digests show who is alive, and only who is silent is
    // asked.
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      ping: ping(),
      gossip: gossipsub({
        ...mesh,
        ...tellsNothingTwice,
        emitSelf: false,
        fastMsgIdFn: publication,
        allowPublishToZeroTopicPeers: true,
        globalSignaturePolicy: 'StrictSign',
        // Everyone is connected with everyone: one hop, whatever the mesh looks like.
        floodPublish: true,
        fallbackToFloodsub: false,
        doPX: false,
        allowedTopics: topicsOf(setup.clusterId),
        maxInboundDataLength: inboundBytesMax,
        decodeRpcLimits: rpcLimits,
        // By default more than 10 peers of one address are shut out of the mesh.
        scoreParams: { IPColocationFactorWeight: 0 },
      }),
    },
  }
}

/** A stranger's key is known when the handshake ends, and nothing but the handshake is spoken. */
function membersOnly(isMember: (peerId: string) => boolean): ConnectionGater {
  return {
    denyDialPeer: peerId => !isMember(peerId.toString()),
    denyDialMultiaddr: () => false,
    denyInboundEncryptedConnection: peerId => !isMember(peerId.toString()),
    denyOutboundEncryptedConnection: peerId => !isMember(peerId.toString()),
  }
}
