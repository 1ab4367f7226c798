import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterState } from '../../../src/data/state.ts'
import { ranked } from '../../../src/doctor/check.ts'
import { type ClusterFacts, clusterChecks } from '../../../src/doctor/cluster-checks.ts'
import { type Machine, readMachine } from '../../../src/doctor/machine.ts'
import { machineChecks } from '../../../src/doctor/machine-checks.ts'
import { threePeers } from '../../helpers/cluster-fixture.ts'

const doctor = suite('doctor')

const sound: Machine = {
  kernel: '6.18.2-amd64',
  isRoot: true,
  hypervisor: null,
  ioUringDisabled: 0,
  hasUblk: true,
  hasNbd: true,
  swapCount: 0,
  swapMaxBytes: null,
  memoryBytes: 2 ** 34,
  openFilesMax: 65536,
  dir: { path: '/var/lib/shoal', fileSystem: 0xef53, freeBytes: 2 ** 33 },
}

const notWell = (machine: Partial<Machine>) =>
  machineChecks({ ...sound, ...machine })
    .filter(check => check.result !== 'ok')
    .map(check => `${check.result} ${check.name}`)

doctor('a sound machine is well; each fault of one is named', () => {
  assert.equal(notWell({}), [])
  assert.equal(notWell({ ioUringDisabled: 2 }), ['error io_uring'])
  assert.equal(notWell({ ioUringDisabled: 1 }), [], 'root may')
  assert.equal(notWell({ ioUringDisabled: 1, isRoot: false }), ['error io_uring'])
  assert.equal(notWell({ ioUringDisabled: null }), [])
  assert.equal(notWell({ kernel: '6.12.1' }), ['note devices'])
  assert.equal(notWell({ kernel: '10.0' }), [])
  assert.equal(notWell({ hasUblk: false }), ['note devices'])
  assert.equal(notWell({ swapCount: 1 }), ['warn swap'])
  assert.equal(notWell({ swapCount: 1, swapMaxBytes: 0 }), [])
  assert.equal(notWell({ openFilesMax: 1024 }), ['warn open_files'])
  assert.equal(notWell({ dir: { ...sound.dir, fileSystem: 0x01021994 } }), ['error directory'])
  assert.equal(notWell({ dir: { ...sound.dir, fileSystem: 0x6969 } }), ['warn directory'])
  assert.equal(notWell({ dir: { ...sound.dir, freeBytes: 2 ** 20 } }), ['warn room'])
})

const advised = (change: (state: ClusterState) => void, more: Partial<ClusterFacts> = {}) => {
  const state = threePeers()
  change(state)
  const facts = {
    state,
    self: 1,
    hypervisor: null,
    memoryBytes: 2 ** 29,
    memoryWantedBytes: 2 ** 29,
    files: new Map(),
    openFiles: [],
    ...more,
  }
  return clusterChecks(facts).filter(check => check.result !== 'ok')
}
const nothing = () => undefined

doctor('confirmed reads are recommended where clocks may stop', () => {
  assert.equal(advised(nothing), [])
  const [reads] = advised(nothing, { hypervisor: 'QEMU' })
  assert.is(reads!.result, 'warn')
  assert.match(reads!.next!, 'policy set default --reads confirmed')
  const confirmed = (state: ClusterState) => {
    state.policies[0]!.reads = 'confirmed'
  }
  assert.equal(advised(confirmed, { hypervisor: 'QEMU' }), [])
})

doctor('policies, memory, disks and addresses that are not fit for their work', () => {
  const names = (checks: readonly { result: string; name: string }[]) =>
    checks.map(check => `${check.result} ${check.name}`)
  const oneCopy = (state: ClusterState) => {
    state.policies[0]!.redundancy = { replicas: { copies: 1 } }
  }
  assert.equal(names(advised(oneCopy)), ['warn copies of default'])
  const oneAck = (state: ClusterState) => {
    state.policies[0]!.min_in_sync = 1
  }
  assert.equal(names(advised(oneAck)), ['note copies of default'])
  const [small] = advised(nothing, { memoryWantedBytes: 3 * 2 ** 30 })
  assert.match(small!.message, '512MiB of the 3GiB that full disks want: beyond about 16 %')
  assert.match(small!.next!, '3GiB')
  const files = new Map([
    [1, 7],
    [4, 7],
  ])
  assert.match(advised(nothing, { files })[0]!.message, 'disk 1, 4: a file')
  assert.match(advised(nothing, { files })[0]!.message, 'they fail together')
  const [open] = advised(nothing, { openFiles: ['/srv/disk1'] })
  assert.is(open!.name, 'files of disks')
  assert.is(open!.next, 'chmod 600 /srv/disk1')
  const loopback = (state: ClusterState) => {
    state.peers[0]!.addresses = [{ role: 'data', address: '127.0.0.1:7440' }]
  }
  assert.equal(names(advised(loopback)), ['error addresses'])
})

doctor('the worst comes first; this machine can be read', () => {
  const machine = readMachine('/var/lib/shoal/not/there/yet')
  assert.ok(machine.memoryBytes > 2 ** 20 && machine.dir.freeBytes > 0)
  const order = ranked(machineChecks({ ...sound, swapCount: 1, ioUringDisabled: 2 }))
  assert.equal(
    order.slice(0, 3).map(check => check.result),
    ['error', 'warn', 'ok'],
  )
})

doctor.run()
