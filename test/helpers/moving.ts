// A demo cluster whose data moves, watched group by group: nobody may give a copy up on the way.
import * as assert from 'uvu/assert'
import { DemoCluster } from './demo-cluster.ts'
import { sleep } from './sleep.ts'

interface Group {
  index: number
  members: number[]
  in_sync: number[]
  joining: number | null
}

export interface MapView {
  peers: { id: number; name: string; state: string; rack: string }[]
  disks: { id: number; peer: string; state: string }[]
  policies: { name: string; copies: number; pgs: Group[] }[]
}

interface Task {
  kind: string
  id: string
  state: string
  members_left: number | null
}

const lookMs = 300
/** Looks in a row that see nothing move: a change was planned for by then, if it needs a plan. */
const looksAtRest = 3

export class MovingCluster extends DemoCluster {
  map(peer = 'p1'): Promise<MapView> {
    return this.json<MapView>(peer, 'cluster', 'map')
  }

  tasks(peer = 'p1'): Promise<Task[]> {
    return this.json<Task[]>(peer, 'task', 'list')
  }

  /** The disk of a peer of the demo that has one. */
  async diskOf(peer: string): Promise<number> {
    return (await this.map()).disks.find(disk => disk.peer === peer)!.id
  }

  /**
   * Until nothing moves or waits to and every group has `width` members; none may be seen with
   * fewer copies in sync than `copies`.
   */
  async settle(limitMs: number, copies = 3, peer = 'p1', width = 3): Promise<MapView> {
    const end = Date.now() + limitMs
    let left: Task[] = []
    let atRest = 0
    while (Date.now() < end) {
      const map = await this.map(peer)
      this.#look(map, copies)
      left = (await this.tasks(peer)).filter(task => task.kind === 'rebalance' || isOpen(task))
      const isWhole = map.policies.every(policy => policy.pgs.every(pg => isSettled(pg, width)))
      atRest = left.length === 0 && isWhole ? atRest + 1 : 0
      if (atRest === looksAtRest) return map
      await sleep(lookMs)
    }
    throw new Error(`it did not come to rest within ${limitMs} ms: ${JSON.stringify(left)}`)
  }

  #look(map: MapView, copies: number): void {
    for (const policy of map.policies) {
      for (const { index, in_sync } of policy.pgs) {
        assert.ok(in_sync.length >= copies, `group ${index} was left with disks ${in_sync}`)
      }
    }
  }
}

function isOpen(task: Task): boolean {
  return task.id.startsWith('drain-') && task.state !== 'done'
}

function isSettled({ joining, members, in_sync }: Group, width: number): boolean {
  return joining === null && members.length === width && in_sync.length === width
}

/** Members by disk of all policies. */
export function membersByDisk(map: MapView): Map<number, number> {
  const counts = new Map(map.disks.map(disk => [disk.id, 0]))
  for (const policy of map.policies) {
    for (const { members } of policy.pgs)
      for (const disk of members) counts.set(disk, counts.get(disk)! + 1)
  }
  return counts
}

/** No two members of one group in what `placeOf` says is one place. */
export function assertApart(map: MapView, placeOf: (disk: number) => string): void {
  for (const { pgs } of map.policies) {
    for (const { index, members } of pgs) {
      const places = new Set(members.map(placeOf))
      assert.is(places.size, members.length, `group ${index} lies twice in one of ${[...places]}`)
    }
  }
}

/** Every disk within one member of its share: all disks are equal. */
export function assertEven(map: MapView, disks: readonly number[]): void {
  const counts = membersByDisk(map)
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const share = total / disks.length
  for (const disk of disks) {
    const count = counts.get(disk)!
    assert.ok(Math.abs(count - share) < 1, `disk ${disk} has ${count} members of ${share}`)
  }
}
