import { Flags } from '@oclif/core'
import { DemoCommand } from '../../cli/demo-command.ts'
import { statusText } from '../../cli/status-text.ts'
import { parseDuration } from '../../common/duration.ts'
import { parseSize } from '../../common/units.ts'
import { requireDemo } from '../../demo/demo-file.ts'
import { demoUp } from '../../demo/up.ts'
import { demoHealth, demoText, nextText } from '../../demo/view.ts'

export default class DemoUp extends DemoCommand {
  static override summary =
    'Start a cluster on this machine: real peers, each with its own directory'
  static override description =
    'Founds a cluster, gives every peer a disk in a file, creates the policy "default" and the ' +
    'volume "demo", and exports it. A second run starts what is stopped and shows what runs.'
  static override examples = [
    '<%= config.bin %> demo up',
    '<%= config.bin %> demo up --dir /tmp/demo --peers 5 --disks 2 --json',
  ]
  static override flags = {
    peers: Flags.integer({ description: 'how many peers', default: 3 }),
    disks: Flags.integer({ description: 'disks of each peer', default: 1 }),
    'disk-size': Flags.string({ description: 'size of each disk', default: '2GiB' }),
    patience: Flags.string({
      description: 'how long the peers may take to start (default: 20s, and 1s more for each)',
    }),
    'fill-disks': Flags.boolean({
      description: 'write the files of the disks whole, as disk add does: slower to start',
    }),
    'no-volume': Flags.boolean({ description: 'create no volume' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(DemoUp)
    const dir = this.demoDir(flags)
    const request = {
      dir,
      peers: flags.peers,
      disks: flags.disks,
      disk_size: parseSize(flags['disk-size']),
      has_volume: !flags['no-volume'],
      fills_disks: flags['fill-disks'],
      ...(flags.patience && { ready_ms: parseDuration(flags.patience) }),
    }
    const view = await demoUp(request, text => this.say(text))
    const demo = requireDemo(dir)
    const status = flags.json ? null : await demoHealth(demo)
    this.show(flags.json, view, () =>
      [demoText(view), status && statusText(status), nextText(demo, view)].join('\n\n'),
    )
  }
}
