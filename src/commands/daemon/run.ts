import { resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { PrintingCommand } from '../../cli/base-command.ts'
import { defaultDir } from '../../cli/server-address.ts'

export default class DaemonRun extends PrintingCommand {
  static override summary = 'Run a peer: serve the API, and start the process that carries the data'
  static override description =
    'Ends on SIGTERM within 5 seconds, after what is in flight. If it is killed, the data process ' +
    'goes on serving, and the next daemon attaches to it again.'
  static override examples = [
    '<%= config.bin %> daemon run --dir /var/lib/shoal',
    '<%= config.bin %> daemon run --dir /srv/p2 --name p2 --listen 127.0.0.1:7450',
  ]
  static override flags = {
    dir: Flags.string({
      description: 'directory of the peer',
      default: defaultDir,
      env: 'SHOAL_DIR',
    }),
    config: Flags.string({ description: 'settings (default: shoal.toml in the directory)' }),
    name: Flags.string({ description: 'name of the peer, instead of peer.name' }),
    listen: Flags.string({ description: 'address for other peers, instead of net.listen' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(DaemonRun)
    // Loaded here, so that no other command pays for the server.
    const { runDaemon } = await import('../../daemon/main.ts')
    await runDaemon({
      dir: resolve(flags.dir),
      configPath: flags.config === undefined ? null : resolve(flags.config),
      overrides: { 'peer.name': flags.name, 'net.listen': flags.listen },
    })
    // Everything is closed; a timer that libp2p leaves behind would keep the process for seconds.
    process.exit()
  }
}
