// The control process, composed: started and stopped in order. What safety needs lives in the data
// process, which outlives this one.
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { createServer } from '../api/server.ts'
import type { Services } from '../api/services.ts'
import type { Clock } from '../common/clock.ts'
import type { Config } from '../common/config.ts'
import { ShoalError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { makeDir } from '../common/make-dir.ts'
import type { PeerPaths } from '../common/paths.ts'
import { writePidFile } from '../common/process-identity.ts'
import type { Random } from '../common/random.ts'
import { programVersion } from '../common/version.ts'
import { ClusterPort } from '../data/cluster-port.ts'
import type { DataEvent } from '../data/protocol.ts'
import { listen } from './api-listener.ts'
import { dataConfig, writeDataConfig } from './data-config.ts'
import { DataLink, type DataRunner } from './data-link.ts'
import { GossipFeed } from './gossip-feed.ts'
import type { Gossip } from './gossip-port.ts'
import { LocalUpkeep } from './local-upkeep.ts'
import { PeerState } from './peer-state.ts'
import { ReconcileLoop } from './reconcile/loop.ts'
import { tableLimits } from './reconcile/tables.ts'
import { selfOf } from './self.ts'
import { buildServices, readUsedBytes } from './services.ts'

export interface ControlInit {
  config: Config
  paths: PeerPaths
  clock: Clock
  random: Random
  log: Log
  process: DataRunner
  gossip: Gossip
}

/** Of the 5 s that a stop may take, this much is the data process' own. */
const dataStopMs = 4_500

export class Control {
  readonly peer: PeerState
  readonly #init: ControlInit
  readonly #apiSocket: string
  #link: DataLink | undefined
  #app: FastifyInstance | undefined
  #loop: ReconcileLoop | undefined
  #feed: GossipFeed | undefined

  constructor(init: ControlInit) {
    this.#init = init
    this.#apiSocket = init.config['api.socket'] ?? init.paths.apiSocket
    this.peer = new PeerState(init.clock)
  }

  async start(): Promise<void> {
    const { config, paths, clock, random, log } = this.#init
    makeDirectories(paths)
    const configPath = await writeDataConfig(
      paths,
      dataConfig(config, paths, availableParallelism()),
    )
    const link = new DataLink({
      socketPath: paths.dataSocket,
      configPath,
      process: this.#init.process,
      clock,
      log,
      onConnect: hello => {
        cluster.invalidate()
        this.peer.connected(hello)
      },
      onDisconnect: () => this.peer.disconnected(),
      onEvent: event => this.#onEvent(cluster, event),
    })
    const cluster = new ClusterPort(link, { clock, random })
    const self = selfOf(config)
    const services = buildServices({ cluster, config, paths, self, peer: this.peer, clock })
    this.#link = link
    this.#loop = this.#makeLoop(cluster, services)
    // FIRST the socket: a second daemon of this directory ends here and touches nothing.
    this.#app = await createServer(services, programVersion(), log)
    await listen(this.#app, this.#apiSocket, config['api.group'])
    writePidFile(paths.controlPid, process.pid)
    this.#feed = this.#feedGossip(cluster)
    link.start()
    this.peer.onChange(() => {
      this.#loop?.wake()
      this.#feed?.wake()
    })
  }

  /** Orderly: no new requests, then the data process finishes what is in flight and ends. */
  async stop(): Promise<void> {
    this.#loop?.stop()
    this.#feed?.stop()
    await this.#app?.close()
    await this.#init.gossip.stop()
    await this.#link?.stop(dataStopMs)
    await rm(this.#init.paths.controlPid, { force: true })
    await rm(this.#init.paths.dataPid, { force: true })
  }

  #makeLoop(cluster: ClusterPort, services: Services): ReconcileLoop {
    const { config, clock, log } = this.#init
    const upkeep = new LocalUpkeep(cluster, services.devices, this.peer, log)
    return new ReconcileLoop(cluster, {
      clock,
      log,
      limits: {
        ...tableLimits,
        joinsMax: config['reconcile.joins_max'],
        holdBackMsMax: config['reconcile.hold_back_max'],
      },
      intervalMs: config['reconcile.interval'],
      usedBytes: () => readUsedBytes(cluster, this.peer),
      local: () => upkeep.run(),
    })
  }

  #feedGossip(cluster: ClusterPort): GossipFeed {
    const { config, clock, log, gossip } = this.#init
    gossip.onDigest((peer, digest) => this.peer.digested(peer, digest))
    // A hint: the data process follows by itself, but what was read before is old now.
    gossip.onMapEpoch(() => cluster.invalidate())
    gossip.onEvent((peer, event) => log.info({ ...event, peer }, event.message))
    gossip.onPresence(() => {
      this.peer.presences = new Map(gossip.peers().map(one => [one.peer, one.presence]))
      this.peer.changed()
    })
    const digestMs = config['gossip.digest_interval']
    return new GossipFeed({ gossip, cluster, peer: this.peer, clock, log, digestMs })
  }

  #onEvent(cluster: ClusterPort, event: DataEvent): void {
    if (event.event === 'task') this.peer.tasks.update(event.data)
    else if (event.event === 'event') {
      const { clock, log, gossip } = this.#init
      log.info(event.data, event.data.message)
      gossip.publishEvent({ kind: 'event', time_ms: clock.nowMs(), ...event.data })
    } else {
      cluster.invalidate()
      this.peer.changed()
    }
  }
}

function makeDirectories(paths: PeerPaths): void {
  try {
    // The identity and the logs of the cluster lie below: nobody else reads them.
    makeDir(paths.dir, 0o711)
    for (const dir of [paths.run, paths.deviceDir, paths.logDir]) makeDir(dir)
  } catch (thrown) {
    throw new ShoalError('usage', `${paths.dir} cannot be the directory of a peer`, {
      why: (thrown as Error).message,
      next: 'choose another one: --dir; or let this user write there',
    })
  }
}
