import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { okToStop } from '../../../src/cluster/stop-check.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { safeToRemove } from '../../../src/disk/safe-to-remove.ts'
import { addDisk, addPeer, makeVolume, threePeers } from '../../helpers/cluster-fixture.ts'

const stop = suite('stop check')

function of(peer: number, change: (state: ClusterState) => void = () => undefined) {
  const state = threePeers()
  change(state)
  return okToStop(state, state.peers[peer - 1]!)
}

stop('one of three may stop', () => {
  assert.equal(of(2), { ok: true, reasons: [] })
})

stop('not when too few voters would be left', () => {
  const check = of(2, state => {
    state.peers[2]!.state = 'down'
  })
  assert.match(check.reasons[0]!, 'of the voters p1 would be left')
})

stop('not when writes would wait, or the last copy would go', () => {
  const few = of(2, state => {
    state.policies[0]!.pgs[0]!.in_sync = [1, 2]
  })
  assert.equal(few.reasons, [
    'policy default: 1 placement groups would have fewer than 2 copies in sync, so that writes would wait',
  ])
  const none = of(2, state => {
    state.policies[0]!.pgs[0]!.in_sync = [2]
  })
  assert.match(none.reasons[0]!, 'no other copy in sync')
})

stop('a copy counts only where it can be had: nobody is out of sync by being away', () => {
  const isFour = (state: ClusterState) => void addPeer(state, 'p4')
  assert.is(of(2, isFour).ok, true)
  const peerAway = of(2, state => {
    isFour(state)
    state.voters = [1]
    state.peers[2]!.state = 'down'
  })
  assert.match(peerAway.reasons[0]!, 'so that writes would wait')
  const diskAway = of(2, state => {
    state.disks[0]!.state = 'down'
    state.disks[2]!.state = 'down'
  })
  assert.match(diskAway.reasons[0]!, 'have no other copy in sync')
  const state = threePeers()
  for (const peer of state.peers.slice(1)) peer.state = 'down'
  assert.match(safeToRemove(state, state.disks[0]!).reasons[0]!, 'no other copy that is in sync')
})

stop('not without saying who would lose a volume', () => {
  const check = of(2, state => {
    const attachment = { peer: 2, generation: 1, via: 'ublk', read_only: false, queues: 0 } as const
    state.volumes.push({ ...makeVolume(1, 'db'), attachment })
  })
  assert.equal(check.reasons, ['its users would lose db, attached there'])
})

stop('nothing is promised without a leader', () => {
  const check = of(2, state => {
    state.reachable = false
  })
  assert.is(check.ok, false)
})

stop('a disk may go when nothing rests on it, and it says what does', () => {
  const state = threePeers()
  const check = (id: number) => safeToRemove(state, state.disks.find(one => one.id === id)!)
  assert.match(check(3).reasons[0]!, 'no other disk may take its place')
  addDisk(state, addPeer(state, 'p4'))
  assert.equal(check(4), { safe: true, reasons: [] })
  assert.match(check(3).reasons[0]!, 'shoal disk remove 3 moves them first')
  state.policies[0]!.pgs[0]!.in_sync = [3]
  assert.match(check(3).reasons[0]!, 'no other copy that is in sync')
})

stop.run()
