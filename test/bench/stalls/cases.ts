// What happens to the cluster, and what a client of a volume sees of it.
import type { StallBench } from './bench.ts'

/** One trial. */
export interface Sample {
  longestMs: number
  /** Of all writes of the trial; only where there is a load. */
  p999Ms?: number
}

interface Case {
  key: string
  name: string
  aim: string
  measure: (bench: StallBench, trial: number) => Promise<Sample>
}

export const cases: Case[] = [
  {
    ...{ key: 'quiet', name: 'nothing happens', aim: '' },
    measure: bench => bench.loaded(async () => undefined),
  },
  {
    ...{ key: 'member', name: 'a member that does not lead is killed', aim: 'p99 1000' },
    measure: async bench => {
      const victim = await bench.member()
      return bench.loaded(() => bench.kill(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'silent', name: 'a member is silently gone from the network', aim: '3000' },
    measure: async bench => {
      const victim = await bench.member()
      return bench.loaded(() => bench.vanish(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'leader', name: 'the leader, which holds a copy, is killed', aim: '4000' },
    measure: async bench => {
      const victim = await bench.leaderWithCopy()
      return bench.loaded(() => bench.kill(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'bare-leader', name: 'the leader, which holds no copy, is killed' },
    aim: 'p99.9 1.2x of quiet',
    measure: async bench => {
      const victim = await bench.leaderWithoutCopy()
      return bench.loaded(() => bench.kill(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'restart', name: 'a member that does not lead restarts in order', aim: '50' },
    measure: async bench => {
      const victim = await bench.member()
      return bench.loaded(() => bench.restart(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'leader-restart', name: 'the leader restarts in order', aim: '50' },
    measure: async bench => {
      const victim = await bench.leaderWithCopy()
      return bench.loaded(() => bench.restart(victim), { away: [victim] })
    },
  },
  {
    ...{ key: 'takeover', name: "the head's peer is killed, until a write elsewhere is answered" },
    aim: 'lease + 1000 = 3000',
    measure: (bench, trial) => bench.takeOver(trial),
  },
  {
    ...{ key: 'move', name: 'a head moves in order, until a write elsewhere is answered' },
    aim: '20',
    measure: (bench, trial) => bench.moveHead(trial),
  },
]
