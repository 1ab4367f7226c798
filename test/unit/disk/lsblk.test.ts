import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseLsblk } from '../../../src/disk/lsblk.ts'
import { domainOf, whatRemovalLoses } from '../../../src/disk/removal.ts'
import { addDisk, addPeer, threePeers } from '../../helpers/cluster-fixture.ts'

const disks = suite('disks')

const sample = {
  blockdevices: [
    {
      path: '/dev/sda',
      size: 1000,
      type: 'disk',
      rota: true,
      mountpoints: [null],
      children: [
        {
          path: '/dev/sda1',
          size: 500,
          type: 'part',
          rota: true,
          fstype: 'ext4',
          mountpoints: ['/'],
        },
      ],
    },
    {
      path: '/dev/nvme0n1',
      size: 2000,
      type: 'disk',
      rota: false,
      tran: 'nvme',
      mountpoints: [null],
    },
    { path: '/dev/sdb', size: 3000, type: 'disk', rota: '0', fstype: 'xfs', mountpoints: [] },
    { path: '/dev/ublkb0', size: 4000, type: 'disk', rota: false, mountpoints: [] },
    { path: '/dev/loop0', size: 5000, type: 'loop', mountpoints: [] },
    { path: '/dev/sr0', size: 0, type: 'disk', mountpoints: [] },
  ],
}

disks('are listed with their class, and why one cannot be taken', () => {
  const found = parseLsblk(JSON.stringify(sample))
  assert.equal(
    found.map(one => [one.path, one.class, one.refusal]),
    [
      ['/dev/sda', 'hdd', 'it is in use by /dev/sda1'],
      ['/dev/sda1', 'hdd', 'mounted at /'],
      ['/dev/nvme0n1', 'nvme', null],
      ['/dev/sdb', 'ssd', 'it holds xfs'],
      ['/dev/ublkb0', 'ssd', 'it is no disk of its own'],
    ],
  )
})

disks('an answer without devices is an empty list', () => {
  assert.equal(parseLsblk('{}'), [])
})

disks('what a removal loses is told before it happens', () => {
  const state = threePeers()
  assert.equal(whatRemovalLoses(state, new Set([3])), {
    lost: 0,
    degraded: 4,
    isStuck: true,
    policies: ['default'],
  })
  addDisk(state, addPeer(state, 'p4'))
  assert.is(whatRemovalLoses(state, new Set([3])).isStuck, false)
  for (const pg of state.policies[0]!.pgs) pg.in_sync = [3]
  assert.is(whatRemovalLoses(state, new Set([3])).lost, 4)
  assert.is(whatRemovalLoses(state, new Set([4])).degraded, 0)
})

disks('peers without a rack or zone stand for themselves', () => {
  const state = threePeers()
  assert.is.not(domainOf(state, 1, 'rack'), domainOf(state, 2, 'rack'))
  state.peers[0]!.domains = { rack: 'r1', zone: 'z1' }
  state.peers[1]!.domains = { rack: 'r1', zone: 'z1' }
  assert.is(domainOf(state, 1, 'rack'), domainOf(state, 2, 'rack'))
  state.peers[1]!.domains.zone = 'z2'
  assert.is.not(domainOf(state, 1, 'rack'), domainOf(state, 2, 'rack'))
})

disks.run()
