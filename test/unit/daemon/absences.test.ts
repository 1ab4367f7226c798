import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AbsenceWatch } from '../../../src/daemon/reconcile/absence-watch.ts'
import { planAbsences } from '../../../src/daemon/reconcile/absences.ts'
import { planCancels } from '../../../src/daemon/reconcile/joins.ts'
import { planStanding } from '../../../src/daemon/reconcile/standing.ts'
import type { ClusterState } from '../../../src/data/state.ts'
import { absenceTimes } from '../../helpers/absence-times.ts'
import { addDisk, addPeer, threePeers } from '../../helpers/cluster-fixture.ts'

const absences = suite('absences')
const minute = 60_000

/** Four peers, so that there is a place for what is given up. */
function four(change: (state: ClusterState) => void = () => undefined): ClusterState {
  const state = threePeers()
  addDisk(state, addPeer(state, 'p4'))
  change(state)
  return state
}

function goneSince(state: ClusterState, peer: number, sinceMs: number): void {
  state.peers[peer - 1]!.state = 'down'
  state.peers_down.push({ peer, since_ms: sinceMs })
}

absences('the data of a peer is made anew once it was gone for long enough', () => {
  const state = four(one => goneSince(one, 3, one.time_ms))
  const after = (ms: number) => planAbsences(state, absenceTimes(state, state.time_ms + ms))
  assert.equal(after(10 * minute - 1), [])
  assert.equal(after(10 * minute), [{ type: 'give_up_disks', disks: [3] }])
  state.settings.rebuild_after_ms = minute
  assert.equal(after(minute), [{ type: 'give_up_disks', disks: [3] }])
  state.peers[2]!.maintenance_until_ms = state.time_ms + 20 * minute
  assert.equal(after(15 * minute), [], 'it was announced')
  assert.equal(after(21 * minute).length, 1, 'and is overdue')
})

absences('a disk alone is given up like a peer', () => {
  const state = four(one => {
    one.disks[2]!.state = 'down'
    one.disks_down.push({ disk: 3, since_ms: one.time_ms })
  })
  const late = state.time_ms + 11 * minute
  assert.equal(planAbsences(state, absenceTimes(state, late)), [
    { type: 'give_up_disks', disks: [3] },
  ])
})

absences('what has still to come back after a restore is given up by people alone', () => {
  const state = four(one => {
    goneSince(one, 3, 0)
    one.missing = [3]
  })
  assert.equal(planAbsences(state, absenceTimes(state, state.time_ms)), [])
})

absences('where nothing else could hold the data, nothing is given up', () => {
  const state = threePeers()
  goneSince(state, 3, 0)
  assert.equal(planAbsences(state, absenceTimes(state, state.time_ms)), [])
})

absences('what was given up is taken back when it returns', () => {
  const state = four(one => {
    one.disks[2]!.state = 'out'
    one.given_up = [3]
  })
  assert.equal(planAbsences(state, absenceTimes(state, state.time_ms)), [
    { type: 'take_back_disks', disks: [3] },
  ])
  goneSince(state, 3, 0)
  assert.equal(planAbsences(state, absenceTimes(state, state.time_ms)), [])
})

absences('a peer that stopped in order is up when it says so, not when its session lives', () => {
  const state = four(one => goneSince(one, 3, 0))
  const sessions = [{ peer: 3, isLive: true }]
  assert.is(planStanding(state, sessions).length, 2)
  state.left = [3]
  assert.equal(planStanding(state, sessions), [])
})

absences('a joiner that went away joins no more', () => {
  const state = four(one => {
    one.policies[0]!.pgs[1]!.joining = { disk: 3, join_at: 7 }
  })
  assert.equal(planCancels(state, new Set([1, 2, 3])), [])
  const pg = { policy: 1, index: 1 }
  assert.equal(planCancels(state, new Set([1, 2])), [
    { type: 'pg_cancel_join', pg, disk: 3, expected: 1 },
  ])
})

/** Someone leads and looks every minute, with this wall clock. */
function given(state: ClusterState, wallMs: (minutes: number) => number): number | undefined {
  const watch = new AbsenceWatch()
  for (let minutes = 0; minutes < 60; minutes++) {
    const times = watch.look(state, minutes * minute, wallMs(minutes))
    if (planAbsences(state, times).length > 0) return minutes
  }
  return undefined
}

for (const what of ['peer', 'disk'] as const) {
  const gone = (sinceMs: number) =>
    four(one => {
      if (what === 'peer') goneSince(one, 3, sinceMs)
      else {
        one.disks[2]!.state = 'down'
        one.disks_down.push({ disk: 3, since_ms: sinceMs })
      }
    })
  const realMs = threePeers().time_ms
  const wall = (minutes: number) => realMs + minutes * minute

  absences(`a ${what} is given up after its time, wherever the clocks are`, () => {
    assert.is(given(gone(realMs), wall), 10)
    const hours = 60 * minute
    assert.is(given(gone(realMs + 8 * hours), wall), 10, 'whoever led was 8 hours ahead')
    assert.is(given(gone(realMs - 8 * hours), wall), 10, 'or this one is, or has just begun')
    const forward = (minutes: number) => wall(minutes) + (minutes < 3 ? 0 : 8 * hours)
    assert.is(given(gone(realMs), forward), 10, 'the clock jumps ahead')
    const back = (minutes: number) => wall(minutes) - (minutes < 3 ? 0 : 8 * hours)
    assert.is(given(gone(realMs), back), 10, 'and back')
  })
}

absences('every absence, and every time of leading, is counted from its beginning', () => {
  const watch = new AbsenceWatch()
  const state = four(one => goneSince(one, 3, 1))
  const away = (at: number) => watch.look(state, at * minute, 0).ofPeer(3) / minute
  assert.equal([away(0), away(9)], [0, 9])
  state.peers_down = []
  assert.is(away(10), 0)
  state.peers_down = [{ peer: 3, since_ms: 2 }]
  assert.equal([away(11), away(12)], [0, 1])
  state.peers_down = [{ peer: 3, since_ms: 3 }]
  assert.is(away(13), 0, 'it was back in between')
  watch.forget()
  assert.equal([away(20), away(24)], [0, 4])
})

absences.run()
