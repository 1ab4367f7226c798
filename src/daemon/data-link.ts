// Keeps a connection to the data process for as long as control runs: attaches to one that serves
// already, starts one when there is none, and does both again when it ends.
import { type Clock, poll, sleep } from '../common/clock.ts'
import { ShoalError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { DataClient, type DataPort } from '../data/client.ts'
import type { DataEvent, DataMethods, Hello, MethodName } from '../data/protocol.ts'
import { Backoff, dataBackoff } from './backoff.ts'

/** Between two tries to reach a data process that is starting. */
const retryMs = 25
const exitPollMs = 20

export interface DataRunner {
  isAlive(): boolean
  start(configPath: string): void
  /** The last thing that it said, whichever life of it; undefined: nothing. */
  lastWords(): string | undefined
  signal(signal: NodeJS.Signals): boolean
}

export interface DataLinkInit {
  socketPath: string
  configPath: string
  process: DataRunner
  clock: Clock
  log: Log
  onEvent: (event: DataEvent) => void
  onConnect: (hello: Hello) => void
  onDisconnect: () => void
}

export class DataLink implements DataPort {
  readonly #init: DataLinkInit
  readonly #backoff = new Backoff(dataBackoff)
  readonly #stopping = new AbortController()
  #client: DataClient | undefined
  #startedAtMs = 0
  /** Of one that ended by itself, until the next one answers. */
  #lastWords: string | undefined
  #running: Promise<void> | undefined

  constructor(init: DataLinkInit) {
    this.#init = init
  }

  get isConnected(): boolean {
    return this.#client !== undefined
  }

  request<M extends MethodName>(
    method: M,
    params: DataMethods[M]['params'],
  ): Promise<DataMethods[M]['result']> {
    if (this.#client) return this.#client.request(method, params)
    return Promise.reject(
      new ShoalError('unavailable', 'the data process does not answer', {
        why: this.#lastWords ? `it ended: ${this.#lastWords}` : 'it is being started',
        next: 'try again in a moment; if that does not help, see log/data.log of the peer',
      }),
    )
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Ends the data process in an orderly way, then by force when its time is over. */
  async stop(limitMs: number): Promise<void> {
    this.#stopping.abort()
    const { process, log } = this.#init
    const asked = this.#client?.request('shutdown', { deadline_ms: limitMs }).catch(() => undefined)
    if (!asked) process.signal('SIGTERM')
    const isGone = await poll(limitMs, exitPollMs, () => (process.isAlive() ? undefined : true))
    if (!isGone) {
      log.warn('the data process did not end in time and is killed')
      process.signal('SIGKILL')
    }
    this.#client?.close()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const ended = await this.#attach()
      if (ended) await ended
      else await this.#startOrWait()
    }
  }

  /** A promise of the end of the connection, if there is one. */
  async #attach(): Promise<Promise<void> | undefined> {
    let onClose: () => void = () => undefined
    const ended = new Promise<void>(resolve => {
      onClose = resolve
    })
    const { socketPath, clock, onEvent, log } = this.#init
    try {
      const { client, hello } = await DataClient.connect({ socketPath, clock, onEvent, onClose })
      this.#client = client
      this.#lastWords = undefined
      log.info({ pid: hello.pid, version: hello.version }, 'attached to the data process')
      this.#init.onConnect(hello)
      return ended.then(() => {
        this.#client = undefined
        this.#init.onDisconnect()
        if (!this.#stopping.signal.aborted) log.warn('lost the connection to the data process')
      })
    } catch (thrown) {
      if (thrown instanceof ShoalError && thrown.code !== 'unavailable')
        log.error({ err: thrown }, 'the data process refused us')
      return undefined
    }
  }

  async #startOrWait(): Promise<void> {
    const { process, clock, log, configPath } = this.#init
    if (process.isAlive()) return sleep(retryMs, this.#stopping.signal)
    if (this.#startedAtMs > 0) {
      this.#lastWords = process.lastWords()
      log.warn({ last_words: this.#lastWords }, 'the data process ended')
    }
    await sleep(this.#backoff.ended(clock.monotonicMs() - this.#startedAtMs), this.#stopping.signal)
    if (this.#stopping.signal.aborted) return
    this.#startedAtMs = clock.monotonicMs()
    try {
      process.start(configPath)
      log.info('started the data process')
    } catch (thrown) {
      log.error({ err: thrown }, 'the data process could not be started')
      await sleep(dataBackoff.maxMs, this.#stopping.signal)
    }
  }
}
