// `shoal daemon run`: settings, signals, the service manager.
import { systemClock } from '../common/clock.ts'
import { type ConfigOverrides, loadConfig } from '../common/config.ts'
import { createLog } from '../common/log.ts'
import { peerPaths } from '../common/paths.ts'
import { systemRandom } from '../common/random.ts'
import { programVersion } from '../common/version.ts'
import { native } from '../native.ts'
import { Control } from './control.ts'
import { DataProcess } from './data-process.ts'
import { makeGossip } from './gossip-port.ts'

export interface DaemonOptions {
  dir: string
  configPath: string | null
  overrides: ConfigOverrides
}

export async function runDaemon(options: DaemonOptions): Promise<void> {
  const paths = peerPaths(options.dir)
  const config = loadConfig({
    file: options.configPath ?? paths.config,
    isFileNamed: options.configPath !== null,
    env: process.env,
    flags: options.overrides,
  })
  const log = createLog(config['log.level'])
  const control = new Control({
    config,
    paths,
    clock: systemClock,
    random: systemRandom,
    log,
    process: new DataProcess(paths),
    gossip: makeGossip(config['gossip.enabled'], {
      identityPath: paths.identity,
      listen: config['gossip.listen'],
      version: programVersion(),
      times: {
        digestMs: config['gossip.digest_interval'],
        syncMs: config['gossip.sync_interval'],
        downAfterMs: config['gossip.down_after'],
      },
      clock: systemClock,
      random: systemRandom,
      log,
    }),
  })
  // Without it nothing can be served: say so now, not in the log of a daemon that seems to run.
  native()
  const ended = untilSignal()
  const forget = control.peer.onChange(() => {
    if (!control.peer.isConnected) return
    forget()
    notify('READY=1')
    log.info({ dir: paths.dir }, 'ready')
  })
  await control.start()
  const signal = await ended
  log.info({ signal }, 'stopping')
  notify('STOPPING=1')
  await control.stop()
  log.info('stopped')
}

function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve(signal))
  })
}

function notify(state: string): void {
  const socket = process.env.NOTIFY_SOCKET
  if (socket) native().notify(socket, state)
}
