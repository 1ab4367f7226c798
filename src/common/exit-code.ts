/** Exit codes of every command; documented on each man page. */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  conflict: 5,
  wouldLose: 6,
  unreachable: 7,
  timeout: 8,
  degraded: 10,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

export const exitCodeMeanings: Record<ExitCode, string> = {
  0: 'Done.',
  1: 'Failed.',
  2: 'Wrong usage, a missing confirmation, or cancelled.',
  3: 'Not found.',
  4: 'Not allowed.',
  5: 'In conflict with the present state.',
  6: 'Refused: data or redundancy would be lost.',
  7: 'The daemon, or the part of the cluster that decides, cannot be reached.',
  8: 'Timed out; the work goes on.',
  10: 'The cluster is degraded.',
  130: 'Interrupted by Ctrl-C.',
}
