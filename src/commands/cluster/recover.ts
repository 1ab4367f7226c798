import { Flags } from '@oclif/core'
import type { ApiClient } from '../../api/client.ts'
import type { Reply } from '../../api/contract.ts'
import { confirmFlags, ShoalCommand } from '../../cli/base-command.ts'
import { ShoalError } from '../../common/errors.ts'

type Restored = Reply<'cluster.recover_from_disks'>

export default class ClusterRecover extends ShoalCommand {
  static override summary = 'Go on from this peer alone: the voters are lost for good'
  static override description =
    'Only when more than half of the voters will never come back. The cluster goes on from what this ' +
    'peer knows, as a new incarnation, with this peer as its only voter; others that are left follow ' +
    'it by themselves. RISK: what the lost voters decided last may be forgotten, for example that a ' +
    'copy was out of date, or that a volume was created. If lost voters come back without meeting ' +
    'this peer, two clusters serve the same volumes. Run it on one survivor, the one that knows ' +
    'most: compare the map epochs that shoal cluster show gives.\n\n' +
    'When the directories of ALL peers are lost and the disks are left: --from-disks, on a peer that ' +
    'is in no cluster, with all disks of the cluster that it has. The newest state that they keep ' +
    'is taken, this peer becomes the only one, and a copy counts again once its disk has come back: ' +
    'other peers join with a token and bring theirs (shoal disk add PATH --existing). Volumes wait ' +
    'until all copies that counted are back; disks that are gone for good have to be removed first ' +
    '(shoal disk remove ID --force). RISK: changes of the last seconds may be missing in that state; a ' +
    'disk that was not named may keep a newer one.'
  static override examples = [
    '<%= config.bin %> cluster recover --confirm prod',
    '<%= config.bin %> cluster recover --from-disks /dev/sdb --from-disks /dev/sdc --dry-run',
    '<%= config.bin %> cluster recover --from-disks /dev/sdb --from-disks /dev/sdc --confirm prod',
  ]
  static override flags = {
    ...confirmFlags,
    'from-disks': Flags.string({
      description: 'disk that keeps the state; once for each disk',
      helpValue: 'PATH',
      multiple: true,
      multipleNonGreedy: true,
    }),
    'dry-run': Flags.boolean({
      description: 'with --from-disks: show what would be restored',
      dependsOn: ['from-disks'],
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterRecover)
    const api = this.client(flags)
    const disks = flags['from-disks']
    if (disks !== undefined) return this.#fromDisks(api, disks, flags)
    const { name, voters, map_epoch } = await api.call('cluster.show')
    this.say(`voters: ${voters.join(', ')}; this peer knows map epoch ${map_epoch}`)
    const what = 'give up the voters for good, and what they decided last'
    await this.confirmDestroying(what, name, flags)
    const recovered = await api.call('cluster.recover', { body: { name } })
    this.show(
      flags.json,
      recovered,
      () => `the cluster goes on from this peer as incarnation ${recovered.incarnation}`,
    )
    this.say('next: remove the peers that are lost: shoal peer list, shoal peer remove PEER')
  }

  async #fromDisks(
    api: ApiClient,
    disks: string[],
    flags: { json: boolean; confirm?: string | undefined; 'dry-run': boolean },
  ): Promise<void> {
    const look = { disks, name: null, dry_run: true }
    const found = await api.call('cluster.recover_from_disks', { body: look })
    if (flags['dry-run']) return this.show(flags.json, found, () => restoredText(found))
    this.say(restoredText(found))
    const what = 'go on from this state, and give up what was decided after it'
    await this.confirmDestroying(what, found.name, flags)
    const body = { disks, name: found.name, dry_run: false }
    const made = await api.call('cluster.recover_from_disks', { body })
    if (made.index < found.index)
      throw new ShoalError('conflict', 'the disks have changed meanwhile')
    this.show(
      flags.json,
      made,
      () => `cluster ${made.name} goes on from this peer alone, as incarnation ${made.incarnation}`,
    )
    this.say(
      'next, for each other peer: shoal cluster token here; shoal cluster join TOKEN there, then ' +
        'shoal disk add PATH --existing for each of its disks',
    )
  }
}

function restoredText(found: Restored): string {
  const missing = found.disks.filter(disk => disk.found_at === null)
  const lines = [
    `cluster ${found.name} (${found.cluster_id}), volumes: ${found.volumes}`,
    `newest state: incarnation ${found.incarnation}, map epoch ${found.map_epoch}, ` +
      `index ${found.index}, last change ${new Date(found.time_ms).toISOString()}`,
    ...found.disks
      .filter(disk => disk.found_at !== null)
      .map(disk => `found: disk ${disk.disk} of ${disk.peer} at ${disk.found_at}`),
    ...missing.map(disk => `not seen: disk ${disk.disk} of ${disk.peer} (was ${disk.was_at})`),
    ...found.older.map(path => `older state, or none: ${path}`),
    ...found.unknown.map(path => `not of this state, stays as it is: ${path}`),
    ...found.unreadable.map(why => `of no use: ${why}`),
  ]
  if (missing.length > 0) {
    const count = missing.length
    lines.push(
      `${count} of ${found.disks.length} disks ${count === 1 ? 'was' : 'were'} not seen: they may ` +
        'keep a newer state, and what was decided after this one would be lost',
    )
  }
  return lines.join('\n')
}
