import { Args, Flags } from '@oclif/core'
import type { ApiClient } from '../../api/client.ts'
import type { Reply } from '../../api/contract.ts'
import { confirmFlags } from '../../cli/base-command.ts'
import { type Change, ChangeCommand, changeFlags } from '../../cli/change-command.ts'
import { diskText } from '../../cli/show.ts'
import { sleep } from '../../common/clock.ts'
import { ShoalError } from '../../common/errors.ts'
import { Progress } from '../../common/progress.ts'
import { parseSize } from '../../common/units.ts'

const progressEveryMs = 500

export default class DiskAdd extends ChangeCommand {
  static override summary = 'Add a disk of the peer: a whole device, a partition or a file'
  static override description =
    'A disk with a file system, a partition table or the store of another cluster is refused, ' +
    'unless --wipe says to destroy it. A file is made when --size says how large.'
  static override examples = [
    '<%= config.bin %> disk add /dev/nvme1n1',
    '<%= config.bin %> disk add /srv/shoal/disk1 --size 10GiB',
    '<%= config.bin %> disk add /dev/sdb --wipe --yes --confirm /dev/sdb',
    '<%= config.bin %> disk add /dev/sdb --existing',
  ]
  static override args = {
    path: Args.string({ required: true, description: 'absolute path on the peer' }),
  }
  static override flags = {
    ...changeFlags,
    ...confirmFlags,
    size: Flags.string({ description: 'make a file of this size' }),
    class: Flags.string({ description: 'class, if not as found', options: ['nvme', 'ssd', 'hdd'] }),
    wipe: Flags.boolean({ description: 'destroy what is on it', default: false }),
    existing: Flags.boolean({
      description: 'take in the store on it: after cluster recover --from-disks',
      default: false,
      exclusive: ['wipe', 'size', 'class', 'dry-run'],
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(DiskAdd)
    if (flags['dry-run']) return this.preview(await this.#wouldAdd(args.path, flags), flags)
    if (!flags.wipe && flags.confirm !== undefined)
      throw new ShoalError('usage', '--confirm goes with --wipe')
    if (flags.wipe)
      await this.confirmDestroying(`destroy what is on ${args.path}`, args.path, flags)
    const api = this.client(flags)
    const adding = api.call('disk.add', {
      body: {
        path: args.path,
        size: flags.size === undefined ? null : parseSize(flags.size),
        class: (flags.class ?? null) as 'nvme' | 'ssd' | 'hdd' | null,
        wipe: flags.wipe,
        existing: flags.existing,
      },
    })
    const disk = await withProgress(api, args.path, adding)
    this.show(flags.json, disk, () => diskText(disk))
  }

  async #wouldAdd(path: string, flags: WishedDisk): Promise<Change> {
    const found = (await this.client(flags).call('disk.scan')).find(one => one.path === path)
    const size = flags.size === undefined ? found?.size : parseSize(flags.size)
    if (size === undefined) {
      throw new ShoalError('not_found', `there is no ${path} on this peer`, {
        next: 'shoal disk scan shows what is there; for a file say how large: --size 10GiB',
      })
    }
    const diskClass = (flags.class ?? found?.class ?? 'ssd') as 'nvme' | 'ssd' | 'hdd'
    return { type: 'disk_add', peer: null, size, class: diskClass }
  }
}

interface WishedDisk {
  size?: string | undefined
  class?: string | undefined
  server?: string | undefined
}

/** A file is written in full before it is used; that takes as long as the disk needs. */
async function withProgress(
  api: ApiClient,
  path: string,
  adding: Promise<Reply<'disk.add'>>,
): Promise<Reply<'disk.add'>> {
  const ended = new AbortController()
  const progress = new Progress(path, 'bytes')
  const end = () => ended.abort()
  adding.then(end, end)
  while (!ended.signal.aborted) {
    await sleep(progressEveryMs, ended.signal)
    if (ended.signal.aborted) break
    const tasks = await api.call('task.list').catch(() => [])
    const task = tasks.find(one => one.id === path && one.state === 'running')
    if (task) progress.update(task.done, task.total)
  }
  return adding
}
