import { Flags } from '@oclif/core'
import { jsonFlag, PrintingCommand } from '../../cli/base-command.ts'
import { readJsonFile, writeJsonFile } from '../../cli/json-file.ts'
import { renderJson } from '../../cli/output.ts'
import { planText } from '../../cli/placement-text.ts'
import { ShoalError } from '../../common/errors.ts'
import { parseSize } from '../../common/units.ts'
import {
  CAPACITY_DEFAULTS,
  type CapacityOutput,
  PlacementError,
  type PlanWarning,
  planCapacity,
} from '../../placement/index.ts'

export default class PlacementPlan extends PrintingCommand {
  static override summary = 'Plan where data would lie, from a file, without a daemon'
  static override description =
    'The topology file is JSON: {"policies": [{"name", "copies" or "ec": "k+m", "domain", ' +
    '"max_per": {"rack": 2}, "class", "labels", "localize": {"peer" or "zone"}, "pgs"}], "disks": ' +
    '[{"id", "peer", "rack", "zone", "weight" or "size", "class", "labels", "state", "fill", ' +
    '"factor", "latency_us", "reserve"}]}. Weights are bytes; plain ratios are read as TiB when bytes and time are estimated. The previous file is what an ' +
    'earlier plan wrote with --out: then it is shown what moves, from where to where, how long it ' +
    'takes, how even it was and gets, and what may fail at once afterwards. The cluster plans with ' +
    'the same function.'
  static override examples = [
    '<%= config.bin %> placement plan --topology now.json --out now.plan.json',
    '<%= config.bin %> placement plan --topology with-8-peers.json --previous now.plan.json',
  ]
  static override baseFlags = { json: jsonFlag }
  static override flags = {
    topology: Flags.string({ description: 'disks and policies, JSON', required: true }),
    previous: Flags.string({ description: 'an earlier plan, to move from' }),
    out: Flags.string({ description: 'write the plan to this file' }),
    rate: Flags.string({
      description: 'what one disk copies in a second',
      default: '100MiB',
    }),
    'allow-short': Flags.boolean({
      description: 'plan groups that lack members, where domains are fewer than copies',
    }),
    used: Flags.string({
      description: 'data of all members together (default: by fill, else as if full)',
    }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(PlacementPlan)
    const topology = readJsonFile(flags.topology)
    const previous = flags.previous === undefined ? undefined : readJsonFile(flags.previous)
    const plan = planned(topology, previous, {
      bytesPerSecond: parseSize(flags.rate),
      usedBytes: flags.used === undefined ? CAPACITY_DEFAULTS.usedBytes : parseSize(flags.used),
    })
    if (!flags['allow-short']) refuseShort(plan)
    if (flags.out !== undefined) writeJsonFile(flags.out, renderJson(plan))
    this.show(flags.json, plan, () => planText(plan))
  }
}

function planned(
  topology: unknown,
  previous: unknown,
  options: { bytesPerSecond: number; usedBytes: number | null },
): CapacityOutput {
  try {
    return planCapacity(topology, previous, options)
  } catch (thrown) {
    if (!(thrown instanceof PlacementError)) throw thrown
    throw new ShoalError('bad_request', thrown.message, {
      why: `the input is refused: ${thrown.code}`,
      next: thrown.hint,
      data: { placement_code: thrown.code },
    })
  }
}

/** Nobody plans fewer copies than were asked for without saying so. */
function refuseShort(plan: CapacityOutput): void {
  const isShort = ({ code }: PlanWarning) => code === 'short_pgs' || code === 'no_eligible_disk'
  const short = plan.warnings.find(isShort)
  if (short === undefined) return
  throw new ShoalError('bad_request', `policy ${short.subject}: ${short.message}`, {
    why: `the input is refused: ${short.code}`,
    next: 'add domains, ask for fewer copies, or plan it short: --allow-short',
    data: { placement_code: short.code },
  })
}
