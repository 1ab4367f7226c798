// A cluster for a guest: made here by the whole program, at full speed, and packed. In the guest its
// data processes come to life, with no Node (test/vm/scripts/shoal-lib.sh).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerPaths } from '../../src/common/paths.ts'
import { type Ran, runShoal } from '../helpers/run-shoal.ts'

/** The least that a store takes; all of them lie in the guest's memory. */
const diskSize = '256MiB'
const limitMs = 120_000

export interface GuestCluster {
  /** Holds peers.tar, with p1, p2 and so on in it. */
  dir: string
  remove(): void
}

export interface GuestShape {
  peers: number
  /** Of each peer. */
  disks: number
  /** Of the volume `vol`; xfs takes no less than 300 MiB. */
  volumeSize?: string
}

export async function makeCluster(shape: GuestShape): Promise<GuestCluster> {
  const { peers, disks, volumeSize = '384MiB' } = shape
  const dir = mkdtempSync(join(tmpdir(), 'shoal-guest-'))
  const demo = ['--dir', dir]
  const sizes = ['--peers', String(peers), '--disks', String(disks), '--disk-size', diskSize]
  succeeded(await runShoal(['demo', 'up', ...demo, ...sizes, '--no-volume'], { limitMs }))
  const server = `unix:${join(dir, 'p1/run/shoal.sock')}`
  const create = ['volume', 'create', 'vol', '--size', volumeSize, '--server', server]
  const created = await runShoal(create)
  succeeded(await runShoal(['demo', 'down', ...demo, '--keep']))
  succeeded(created)
  const names = Array.from({ length: peers }, (_, index) => `p${index + 1}`)
  // Zeros become holes, and are left out: every byte that the guest copies is copied by emulation.
  for (const disk of disksBelow(dir, names)) execFileSync('fallocate', ['--dig-holes', disk])
  const pack = ['-C', dir, '--sparse', '--exclude=*.sock', '-cf', join(dir, 'peers.tar'), ...names]
  execFileSync('tar', pack)
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

function disksBelow(dir: string, names: string[]): string[] {
  const dirs = names.map(name => peerPaths(join(dir, name)).diskDir)
  return dirs.flatMap(disks => readdirSync(disks).map(disk => join(disks, disk)))
}

function succeeded(ran: Ran): void {
  if (ran.code !== 0) throw new Error(`exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
}
